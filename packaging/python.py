"""Says in one sentence what this machine's Python lacks, before anything is built with it.

A Python too old for Fluxrate must still be able to run this file: nothing newer than 3.7 in it. `--freeze`
also asks for what PyInstaller needs.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import sysconfig
from pathlib import Path

WANTED = (3, 11)


def missing(*, freeze: bool) -> str | None:
    """The first thing that is missing, as a sentence with its remedy, or None."""
    have = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if sys.version_info[:2] < WANTED:
        return (
            f"Fluxrate needs Python 3.11 or newer, and {sys.executable} is Python {have}; "
            "name another one with `make PYTHON=/path/to/python3.11 ...`."
        )
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        return "Python cannot make virtual environments here; on Debian, as root: apt-get install python3-venv"
    if freeze and sys.platform == "linux":
        if shutil.which("objcopy") is None:
            return "PyInstaller needs objcopy; on Debian, as root: apt-get install binutils"
        if not _shared_library().exists():
            return f"PyInstaller needs Python as a library; on Debian, as root: apt-get install libpython{have}"
    return None


def _shared_library() -> Path:
    """Where libpython should lie; Py_ENABLE_SHARED is no help, Debian says 1 and packs the library apart."""
    return Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME"))


if __name__ == "__main__":
    said = missing(freeze="--freeze" in sys.argv[1:])
    if said:
        sys.exit(said)
