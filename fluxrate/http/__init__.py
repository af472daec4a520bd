"""What pages and API plugins share of HTTP: who is asking, how bodies are read, how answers and errors are written."""
