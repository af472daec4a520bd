"""Starts the frozen program on an empty instance, asks it for a few pages as a stranger would, and stops it.

Usage: check_binary.py dist/fluxrate. Exit status 0 when every answer was as expected; nothing is left running
or on disk.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "fluxrate" / "__init__.py"
START_SECONDS = 60
STOP_SECONDS = 20

# Path and what the answer must hold: between them they need templates, migrations and every blueprint.
PAGES = (
    ("/health", ""),
    ("/ready", ""),
    ("/sign-in", "<form"),
    ("/openapi.json", "/api/v1/sdk/track"),
    ("/docs", "swagger-ui"),
)


def main(program: str) -> None:
    """Run every check; the first that fails ends it with a sentence."""
    path = Path(program).resolve()
    if not path.is_file():
        sys.exit(f"{program} is not there: run `make binary` first.")
    with tempfile.TemporaryDirectory(prefix="fluxrate-binary-") as folder:
        _check_version(path, folder)
        _check_serving(path, folder)
        # The program is its own interpreter and starts itself.
        _check_serving(path, folder, "--workers", "2")
    print(f"{program} starts, migrates an empty instance and answers {len(PAGES)} pages.")


def _environment(folder: str) -> dict[str, str]:
    """The environment without what would lead the program to a Python or an instance of ours."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("FLUXRATE_", "PYTHON"))}
    return kept | {"FLUXRATE_INSTANCE": str(Path(folder) / "instance"), "HOME": folder}


def _check_version(path: Path, folder: str) -> None:
    found = re.search(r'__version__ = "(.+)"', SOURCE.read_text())
    wanted = found.group(1) if found else "?"
    command = [path, "version"]
    run = subprocess.run(command, env=_environment(folder), cwd=folder, capture_output=True, text=True, check=False)
    said = f"{run.stdout}{run.stderr}"
    if run.returncode != 0 or wanted not in said:
        sys.exit(f"`fluxrate version` should say {wanted}; it ended with {run.returncode}: {said}")


def _check_serving(path: Path, folder: str, *options: str) -> None:
    port = _free_port()
    log = Path(folder) / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [path, "serve", "--host", "127.0.0.1", "--port", str(port), *options],
            env=_environment(folder), cwd=folder, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        started = time.monotonic()
        _wait_ready(server, f"http://127.0.0.1:{port}/ready", log)
        print(f"{' '.join(('serve', *options))}: ready after {time.monotonic() - started:.1f} s")
        for page, wanted in PAGES:
            status, body = _get(f"http://127.0.0.1:{port}{page}")
            if status != 200 or wanted not in body:
                said = f"{status}: {body[:300]}\n{log.read_text()}"
                sys.exit(f"GET {page} should be 200 and hold {wanted!r}; it was {said}")
    finally:
        _stop(server, log)


def _wait_ready(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit(f"`fluxrate serve` ended with {server.returncode}:\n{log.read_text()}")
        if _get(url)[0] == 200:
            return
        time.sleep(0.1)
    sys.exit(f"`fluxrate serve` was not ready after {START_SECONDS} s:\n{log.read_text()}")


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, "no answer"


def _stop(server: subprocess.Popen[bytes], log: Path) -> None:
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
        sys.exit(f"`fluxrate serve` did not stop within {STOP_SECONDS} s of SIGTERM:\n{log.read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else "dist/fluxrate")
