"""Buckets cut out of whole days that are kept are those of the window itself, edge for edge and label for label."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core import calendar, whole_days
from fluxrate.core.calendar import Buckets, Window
from fluxrate.core.zones import DAY, HOUR, MINUTE
from tests.core.clocks import ZONES
from tests.generated import examples

direct = calendar.buckets.__wrapped__
"""The function without what is kept."""

LONGEST = {"minute": DAY, "hour": 40 * DAY, "day": 800 * DAY}
APIA_SKIPS = 1_325_239_200_000_000
"""2011-12-30T10:00:00Z: Apia goes from the 29th to the 31st."""


def starts() -> st.SearchStrategy[int]:
    """Instants of two centuries, often near a midnight, an hour, or the day that Apia skipped."""
    anywhere = st.integers(-70 * 365 * DAY, 130 * 365 * DAY)
    near = st.integers(-2, 2)
    return st.one_of(
        anywhere,
        st.builds(lambda at, off: at // DAY * DAY + off, anywhere, near),
        st.builds(lambda at, off: at // HOUR * HOUR + off, anywhere, near),
        st.builds(lambda off: APIA_SKIPS + off, st.integers(-3 * DAY, 3 * DAY)),
    )


@given(
    group=st.sampled_from(calendar.GROUPS),
    zone=st.sampled_from(ZONES),
    start=starts(),
    length=st.one_of(st.integers(1, 3 * DAY), st.integers(1, 10**16)),
)
@examples(400)
def test_a_window_cut_out_of_whole_days_is_the_window_itself(group, zone, start, length):
    """In any zone, by any group, wherever it starts and ends."""
    window = Window(start, start + min(length, LONGEST.get(group, 3_000 * DAY)), zone)
    wanted, found = direct(window, group), calendar.buckets(window, group)
    assert found.labels == wanted.labels
    assert found.edges.tolist() == wanted.edges.tolist()
    assert found.edges.dtype == np.int64


def test_windows_that_end_now_share_their_days():
    """A second question a moment later makes no buckets anew; another day, zone or group does."""
    made = []

    @whole_days.shared(lambda window, group: True)
    def cut(window: Window, group: str) -> Buckets:
        made.append((window.zone, group))
        return direct(window, group)

    now = 20_000 * DAY + 12 * HOUR
    for more in range(5):
        cut(Window(now - 30 * DAY + more, now + more, "Europe/Berlin"), "day")
    assert made == [("Europe/Berlin", "day")]
    cut(Window(now - 30 * DAY, now, "Europe/Berlin"), "hour")
    cut(Window(now - 30 * DAY, now, "UTC"), "day")
    cut(Window(now - 29 * DAY, now + DAY, "Europe/Berlin"), "day")
    assert len(made) == 4


def test_large_answers_are_not_kept():
    """A window of many buckets is cut for itself, up to the most there may be."""
    large = Window(0, calendar.MAX_BUCKETS * MINUTE, "UTC")
    assert len(calendar.buckets(large, "minute").labels) == calendar.MAX_BUCKETS
    made = []

    @whole_days.shared(calendar._is_small)
    def cut(window: Window, group: str) -> Buckets:
        made.append(window)
        return direct(window, group)

    cut(large, "minute")
    assert made == [large]


def test_nobody_can_change_what_is_kept():
    """The edges that two questions share are read-only, and each window has edges of its own."""
    window = Window(1, 30 * DAY, "UTC")
    found = calendar.buckets(window, "day")
    with pytest.raises(ValueError, match="read-only"):
        found.edges[0] = 0
    assert calendar.buckets(Window(2, 30 * DAY, "UTC"), "day").edges[0] == 2
    assert found.edges[0] == 1
