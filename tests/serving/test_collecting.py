"""A serving process lets the collector of garbage rest, and still loses what nobody holds."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from fluxrate.serving import collecting


class Ring:
    """Holds itself, so that only the collector can take it away."""

    def __init__(self) -> None:
        self.own = self


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_is_there_is_left_out_and_the_young_may_become_many() -> None:
    kept = [Ring() for _ in range(1_000)]
    collecting.settle()
    assert gc.get_freeze_count() >= len(kept)
    assert gc.get_threshold()[0] == collecting.YOUNG


def test_what_comes_later_and_nobody_holds_goes() -> None:
    collecting.settle()
    lost = weakref.ref(Ring())
    assert lost() is not None
    held = []
    while lost() is not None and len(held) < 3 * collecting.YOUNG:
        held.append([])
    assert lost() is None
