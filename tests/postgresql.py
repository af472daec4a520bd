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


class Server:
    """One server process; `database()` gives the URL of a new empty database in it, `emptied()` of a used one."""

    def __init__(self) -> None:
        self._shared: str | None = None
        binaries = _binaries()
        need(binaries, "PostgreSQL is not installed: apt-get install postgresql")
        assert binaries is not None
        # A socket's path must stay short, and the server refuses to run as root.
        self.folder = Path(tempfile.mkdtemp(prefix="fluxrate-pg-", dir="/tmp"))
        self._user = _user(self.folder)
        self._init(binaries)
        settings = [
            part for setting in (*SETTINGS, f"unix_socket_directories={self.folder}") for part in ("-c", setting)
        ]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [binaries / "postgres", "-D", self.folder / "data", *settings],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._user,
            )
        self._wait()

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
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=20)
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

    def _wait(self) -> None:
        for _ in range(200):
            try:
                self.admin().close()
            except psycopg.OperationalError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.05)
            else:
                return
        raise RuntimeError((self.folder / "log").read_text())


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
