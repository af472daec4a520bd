"""Builds `dist/fluxrate`, one file that serves Fluxrate on a machine without Python.

Run by `make binary` with the Python of `build/venv`, which holds Fluxrate's requirements and PyInstaller and
nothing else: PyInstaller packs what it can import, and a development environment makes the file six times
as large. Fluxrate itself is installed there anew each time, as a package: data files are collected from an
installed distribution only.

Plugins of strangers are found by entry point and are not inside; `FLUXRATE_PLUGIN_DIR` names the folder that
the program reads them from.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
OUTPUT = ROOT / "dist" / "fluxrate"

# What PyInstaller's own search does not find: (option, package).
WANTED = (
    ("--collect-data", "fluxrate"),  # templates, static, demo data
    ("--collect-submodules", "fluxrate"),
    ("--copy-metadata", "fluxrate"),
    ("--hidden-import", "alembic.context"),  # named by the migration scripts only
    ("--hidden-import", "alembic.op"),
    ("--hidden-import", "psycopg_binary.pq"),  # psycopg looks for its fast half by name
    ("--hidden-import", "psycopg_binary._psycopg"),
    ("--collect-all", "tzdata"),  # the zones are resources of its packages
    ("--copy-metadata", "apscheduler"),  # it looks its own version up
    ("--hidden-import", "sqlalchemy.dialects.postgresql.psycopg"),
    ("--hidden-import", "pysqlite3"),
)
MIGRATIONS = "fluxrate/core/store/migrations"
UNWANTED = ("tkinter", "pytest", "setuptools", "pip")


def main() -> None:
    """Install, freeze, and say how large and how long."""
    started = time.monotonic()
    _install()
    _freeze()
    size = OUTPUT.stat().st_size / 1e6
    print(f"{OUTPUT.relative_to(ROOT)}: {size:.1f} MB, built in {time.monotonic() - started:.0f} s")


def _install() -> None:
    # setuptools copies into build/lib and never removes a file from there that the sources no longer have.
    for stale in (BUILD / "lib", *BUILD.glob("bdist.*")):
        shutil.rmtree(stale, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    subprocess.run([*pip, "--no-deps", "--no-compile", "--force-reinstall", str(ROOT)], check=True)


def _freeze() -> None:
    options = [part for option, package in WANTED for part in (option, package)]
    options += [part for package in UNWANTED for part in ("--exclude-module", package)]
    command = [sys.executable, "-m", "PyInstaller", "--onefile", "--noconfirm", "--clean", "--log-level=WARN"]
    places = ["--distpath", str(OUTPUT.parent), "--workpath", str(BUILD / "work"), "--specpath", str(BUILD)]
    # Alembic reads its scripts as files, and PyInstaller takes no Python file for data.
    scripts = Path(sysconfig.get_path("purelib"), MIGRATIONS)
    options += ["--add-data", f"{scripts}{os.pathsep}{MIGRATIONS}"]
    # From build/, so that the package found is the installed one and not the source folder.
    entry = str(ROOT / "packaging" / "entry.py")
    subprocess.run([*command, *places, "--name", OUTPUT.name, *options, entry], check=True, cwd=BUILD)


if __name__ == "__main__":
    main()
