"""Which URLs are a store, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxrate.core.errors import ConfigError
from fluxrate.core.store import Store


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "cannot be read"),
        ("store.db", "cannot be read"),
        ("postgresql://host:port/x", "cannot be read"),
        ("sqlite://", "lives in a file"),
        ("sqlite:///:memory:", "lives in a file"),
        ("sqlite:///file:x?mode=memory&uri=true", "lives in a file"),
        ("mysql://root:secret@localhost/x", "begins with 'mysql'"),
        ("postgresql+psycopg2://root:secret@localhost/x", "begins with 'postgresql"),
    ],
)
def test_refused_urls(url: str, sentence: str) -> None:
    """A URL that is no store is refused by its kind, and a password in it is not repeated."""
    with pytest.raises(ConfigError, match=sentence) as error:
        Store(url)
    assert "secret" not in error.value.detail


def test_nothing_is_opened_at_first(tmp_path: Path) -> None:
    """Naming a store makes no file and needs no server."""
    Store(f"sqlite:///{tmp_path}/store.db").close()
    Store("postgresql://nobody@127.0.0.1:1/none").close()
    assert list(tmp_path.iterdir()) == []


def test_relative_and_absolute_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes name a file from here, four one from the root; a space in the name does no harm."""
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite:///a b.db", f"sqlite:///{tmp_path}/c.db"):
        store = Store(url)
        store.ping()
        assert store.dialect == "sqlite"
        store.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a b.db", "c.db"]
