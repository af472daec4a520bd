"""A real PostgreSQL server for tests: its own folder, a unix socket only, gone when the tests are."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import psycopg

from tests.needs import need

DEBIAN = "/usr/lib/postgresql"
SETTINGS = ("listen_addresses=", "fsync=off", "shared_buffers=64MB", "max_connections=60")
START_SECONDS = 20


class Server:
    """One server process; `database()` gives the URL of a new empty database in it, `emptied()` of a used one.

    `settings` are further ones, such as "fsync=on". `halt` and `start` are for tests of a server that goes away.
    """

    def __init__(self, *settings: str) -> None:
        self._shared: str | None = None
        binaries = _binaries()
        need(binaries, "PostgreSQL is not installed: apt-get install postgresql")
        assert binaries is not None
        # A socket's path must stay short, and the server refuses to run as root.
        self.folder = Path(tempfile.mkdtemp(prefix="fluxrate-pg-", dir="/tmp"))
        self._user = _user(self.folder)
        self._init(binaries)
        chosen = (*SETTINGS, f"unix_socket_directories={self.folder}", *settings)
        options = [part for setting in chosen for part in ("-c", setting)]
        self._command = [str(binaries / "postgres"), "-D", str(self.folder / "data"), *options]
        self.start()

    def start(self) -> None:
        """Start it, again where it was halted."""
        end = time.monotonic() + START_SECONDS
        while not self._started():
            # After a kill the memory that its children share is in use for a moment.
            if time.monotonic() > end:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.05)

    def halt(self, number: int = signal.SIGQUIT) -> None:
        """Stop it at once, as a crash does; SIGKILL leaves its children no time for anything."""
        self._process.send_signal(number)
        self._process.wait(timeout=20)

    def url(self, database: str) -> str:
        return f"postgresql://fluxrate@/{database}?host={self.folder}"

    def database(self) -> str:
        name = f"test_{uuid.uuid4().hex}"
        with self.admin() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def emptied(self) -> str:
        """The URL of one database, always the same, emptied: ten times faster than a new one."""
        self._shared = self._shared or self.database()
        with self.admin(self._shared) as connection:
            connection.execute("SET lock_timeout = '10s'")
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return self._shared

    def drop(self, url: str) -> None:
        name = url.partition("@/")[2].partition("?")[0]
        with self.admin() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def admin(self, url: str | None = None) -> psycopg.Connection[Any]:
        return psycopg.connect(url or self.url("postgres"), autocommit=True)

    def stop(self) -> None:
        if self._process.poll() is None:
            self.halt()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _init(self, binaries: Path) -> None:
        command = [str(binaries / "initdb"), "-D", str(self.folder / "data"), "-U", "fluxrate"]
        command += ["-A", "trust", "-E", "UTF8", "-N"]
        # With a collation of its own the server shows whether the store's order depends on it.
        for collation in (["--locale=C", "--locale-provider=icu", "--icu-locale=en"], ["--locale=C"]):
            done = subprocess.run([*command, *collation], capture_output=True, text=True, cwd=self.folder, **self._user)
            if done.returncode == 0:
                return
            shutil.rmtree(self.folder / "data", ignore_errors=True)
        raise RuntimeError(done.stderr)

    def _started(self) -> bool:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=self.folder, **self._user)
        while self._process.poll() is None:
            try:
                self.admin().close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return True
        return False


def _binaries() -> Path | None:
    """The folder with the server's own programs: on Debian only wrappers and links to some are on the PATH."""
    found = [Path(path).resolve().parent for name in ("initdb", "postgres") if (path := shutil.which(name))]
    found += sorted(Path(DEBIAN).glob("*/bin"), key=lambda folder: -float(folder.parent.name))
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def _user(folder: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
