"""Serving: one process on its sockets, or several; from the connection that comes to the end that loses nothing."""
