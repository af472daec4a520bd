"""What is installed is the whole of Fluxrate: every data file goes along, and wsgi.py serves."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "fluxrate"

SERVE = """
import wsgi
assert wsgi.app is wsgi.application
print(wsgi.app.test_client().get("/ready").status_code)
"""


def _data_files() -> list[Path]:
    """Everything but the modules of packages: a script in a folder that is no package is data too."""
    files = (path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return [path for path in files if path.suffix != ".py" or not (path.parent / "__init__.py").exists()]


def test_every_data_file_is_package_data() -> None:
    """A template, migration or static file that setup.cfg forgets would be missing after `pip install`."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    patterns = setup["options.package_data"]["*"].split()
    packages = {path.parent for path in PACKAGE.rglob("__init__.py")}
    taken = {path for package in packages for pattern in patterns for path in package.glob(pattern)}
    assert [path.relative_to(ROOT).as_posix() for path in _data_files() if path not in taken] == []


def test_every_folder_with_modules_is_a_package_or_data() -> None:
    """Modules in a folder without __init__.py would not be installed."""
    folders = {path.parent for path in PACKAGE.rglob("*.py") if not (path.parent / "__init__.py").exists()}
    assert {folder for folder in folders if "migrations" not in folder.parts} == set()


def test_wsgi_serves_and_its_process_ends(tmp_path: Path) -> None:
    """Any WSGI server can import the application; its jobs stop when the process does."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("FLUXRATE_")}
    environ |= {"FLUXRATE_INSTANCE": str(tmp_path / "instance")}
    run = subprocess.run(
        [sys.executable, "-c", SERVE], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30, check=False
    )
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "200", "")
