"""Every vendored file is the one that its makers published, and nothing vendored goes unlisted.

The list is VENDORED.md at the top: one table row a file, with library, version, licence and the file's sha384.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(
    r"^\| `(?P<path>[^`]+)` \| (?P<version>\S+ \S+) \| (?P<licence>[^|]+) \| `(?P<digest>sha384-[^`]+)` \|$"
)

# Ours carry no version in the name; all else under static/ was brought in.
VERSIONED = re.compile(r"-\d+\.\d+\.\d+\.")


class Vendored(NamedTuple):
    path: str
    version: str
    licence: str
    digest: str


def _rows() -> list[Vendored]:
    lines = (ROOT / "VENDORED.md").read_text(encoding="utf-8").splitlines()
    return [Vendored(**match.groupdict()) for match in map(ROW.match, lines) if match]


def _sha384(path: Path) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()


@pytest.mark.parametrize("row", _rows(), ids=lambda row: Path(row.path).name)
def test_the_file_is_the_published_one(row: Vendored) -> None:
    """Its digest is the recorded one, byte for byte."""
    assert _sha384(ROOT / row.path) == row.digest


@pytest.mark.parametrize("row", _rows(), ids=lambda row: Path(row.path).name)
def test_the_name_carries_the_version(row: Vendored) -> None:
    """A browser may keep the file for ever, since another version has another address."""
    assert f"-{row.version.split()[-1]}." in Path(row.path).name


def test_every_vendored_file_is_listed() -> None:
    """Whatever lies under a static folder with a version in its name has a row."""
    carried = (*(ROOT / "fluxrate").rglob("static/**/*"), *(ROOT / "tests" / "browser" / "vendor").iterdir())
    found = {p.relative_to(ROOT).as_posix() for p in carried if VERSIONED.search(p.name)}
    assert found == {row.path for row in _rows()}


@pytest.mark.parametrize("row", _rows(), ids=lambda row: Path(row.path).name)
def test_the_licence_lies_beside_it(row: Vendored) -> None:
    """Whoever gets the file gets its licence."""
    library, version = row.version.split()
    assert any((ROOT / row.path).parent.glob(f"{library}-{version}.LICENSE*"))
    assert row.licence.strip()
