"""What stands between Fluxrate and PostgreSQL in a test: it loses the answer to a commit when it is told to."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

NAME = ".s.PGSQL.5432"
COMMIT = b"COMMIT\0"
"""The whole statement: a transaction begins with READ COMMITTED."""


class Proxy:
    """Listens in `folder` for the server whose socket is in `server`; with `lose` set, the next COMMIT is carried out
    and the connection cut before the client hears of it.
    """

    def __init__(self, folder: Path, server: Path) -> None:
        self.lose = threading.Event()
        self.lost = 0
        self._server = str(server / NAME)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / NAME))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # Closing alone would not wake the thread that waits in accept.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            cut = threading.Event()
            threading.Thread(target=self._asked, args=(client, server, cut), daemon=True).start()
            threading.Thread(target=self._answered, args=(client, server, cut), daemon=True).start()

    def _asked(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                if COMMIT in data and self.lose.is_set():
                    self.lose.clear()
                    cut.set()
                server.sendall(data)
        _end(client, server)

    def _answered(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65_536):
                if cut.is_set():
                    # The server has answered, so the commit is done.
                    self.lost += 1
                    break
                client.sendall(data)
        _end(client, server)


def _end(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
