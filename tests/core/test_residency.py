"""What of the columns is in memory: bounded, told truly, and never at the cost of a figure."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxrate.core import filters
from fluxrate.core.columns import coding
from fluxrate.core.errors import RuleBroken
from fluxrate.core.model import Meter
from fluxrate.core.query import Query
from fluxrate.core.services import Services
from tests.instances import EVER, NOW, folder, make_meter, new, open_instance, reopened, total


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Services]:
    made = open_instance(tmp_path / "instance")
    made.live.load()
    yield made
    made.store.close()


@pytest.fixture
def few_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for three keys ("user_id" is one that every meter needs) and for ten values."""
    for module in (coding, filters):
        monkeypatch.setattr(module, "MOST_KEYS", 3)
    monkeypatch.setattr(coding, "MOST_VALUES", 10)


def late_key(parts: Services) -> Meter:
    """A meter one of whose metadata keys found no room, after which the largest of the others was closed."""
    meter = make_meter(parts)
    parts.ingest.store([new(meter, metadata={"plan": "a", "request": "r", "late": "x"})] * 5)
    with pytest.raises(RuleBroken, match="indexed by"):
        total(parts, meter, meta=(("late", ("x",)),))
    parts.ingest.store([new(meter, metadata={"plan": "a", "request": f"r{step}"}) for step in range(20)])
    with pytest.raises(RuleBroken, match="too many"):
        total(parts, meter, meta=(("request", ("r1",)),))
    return meter


@pytest.mark.usefixtures("few_keys")
def test_a_key_that_found_no_room_is_refused_also_when_another_one_was_closed(parts: Services) -> None:
    """The closed one keeps its place: what was passed over once cannot be counted from half-way on."""
    meter = late_key(parts)
    with pytest.raises(RuleBroken):
        total(parts, meter, meta=(("late", ("x",)),))
    parts.ingest.store([new(meter, metadata={"late": "x"})] * 2)
    with pytest.raises(RuleBroken):
        total(parts, meter, meta=(("late", ("x",)),))
    with pytest.raises(RuleBroken):
        parts.engine.usage(meter, Query(EVER, breakdown=("meta.late",)))
    assert total(parts, meter, meta=(("plan", ("a",)),)) == 25


@pytest.mark.usefixtures("few_keys")
def test_a_key_that_found_no_room_counts_all_events_once_a_meter_needs_it(parts: Services) -> None:
    """Also when there is room by then, because another key was closed; and after a restart."""
    meter = late_key(parts)
    needy = make_meter(parts, "late_ones", "UNIQUE_COUNT", property_name="late")
    parts.ingest.store([new(needy, metadata={"late": "y"})])
    assert total(parts, meter, meta=(("late", ("x",)),)) == 5
    assert total(reopened(parts), meter, meta=(("late", ("x",)),)) == 5


@pytest.mark.usefixtures("few_keys")
def test_a_closed_key_is_refused_until_all_events_are_read_again(
    parts: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks while a meter that needs it makes everything be read again, gets a refusal or the whole figure."""
    meter = late_key(parts)
    needy = make_meter(parts, "requests", "UNIQUE_COUNT", property_name="request")
    other = open_instance(parts.instance)
    other.ingest.store([new(needy, metadata={"request": "r1"})])
    other.store.close()
    asked: list[object] = []
    read_after = parts.store.events.read_after

    def asking(*args: int) -> object:
        rows = read_after(*args)
        if not asked and args[0] == 0:
            asked.append(None)
            try:
                asked.append(total(parts, meter, meta=(("request", ("r1",)),)))
            except RuleBroken:
                asked.append("refused")
        return rows

    monkeypatch.setattr(type(parts.store.events), "read_after", lambda self, *args: asking(*args))
    parts.live.refresh()
    assert asked[1] in (1, "refused")
    assert total(parts, meter, meta=(("request", ("r1",)),)) == 1


@pytest.mark.usefixtures("few_keys")
def test_reading_everything_again_goes_on_after_the_store_was_away(
    parts: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that a meter needs is coded for all events, also when the first try to read them failed half-way."""
    meter = late_key(parts)
    needy = make_meter(parts, "requests", "UNIQUE_COUNT", property_name="request")
    other = open_instance(parts.instance)
    other.ingest.store([new(needy, metadata={"request": "r1"})])
    other.store.close()
    read_after, failed = parts.store.events.read_after, list[int]()

    def failing(*args: int) -> object:
        if args[0] == 0 and not failed:
            failed.append(1)
            raise OSError("the store is away")
        return read_after(*args)

    monkeypatch.setattr(type(parts.store.events), "read_after", lambda self, *args: failing(*args))
    with pytest.raises(OSError, match="away"):
        parts.live.refresh()
    parts.live.refresh()
    assert failed
    assert total(parts, meter, meta=(("request", ("r1",)),)) == 1
    assert total(parts, needy) == 1


# A key with another value in every event


@pytest.fixture
def few_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for ten values, and for more keys than there are."""
    monkeypatch.setattr(coding, "MOST_VALUES", 10)


def requests(parts: Services, count: int, first: int = 0) -> Meter:
    """A meter with another request in every event."""
    known = {meter.meter_name: meter for meter in parts.store.meters.all()}
    meter = known.get("calls") or make_meter(parts, "calls", decimals=0)
    steps = range(first, first + count)
    parts.ingest.store(
        [
            new(meter, NOW + step, 1, f"c{step % 3}", metadata={"request": f"r{step}", "plan": "ab"[step % 2]})
            for step in steps
        ]
    )
    parts.live.refresh()
    return meter


def check_closed(parts: Services, meter: Meter, events: int) -> None:
    """Questions by the key are refused in a sentence; all others have their figures."""
    for query in (Query(EVER, meta=(("request", ("r1",)),)), Query(EVER, breakdown=("customer", "meta.request"))):
        with pytest.raises(RuleBroken, match="'request' has too many to be indexed") as refused:
            parts.engine.usage(meter, query)
        assert refused.value.field == "meta"
    with pytest.raises(RuleBroken, match="too many"):
        parts.engine.log([meter], Query(EVER, meta=(("request", ("r1",)),)))
    assert total(parts, meter) == events
    assert total(parts, meter, meta=(("plan", ("a",)),)) == events // 2
    assert total(parts, meter, customers=("c1",)) == sum(step % 3 == 1 for step in range(events))
    plans = parts.engine.usage(meter, Query(EVER, breakdown=("meta.plan",))).breakdown
    assert plans is not None
    assert [(group.key, group.usage) for group in plans] == [
        ((("plan", "a"),), events // 2),
        ((("plan", "b"),), events // 2),
    ]
    log = parts.engine.log([meter], Query(EVER), page_size=5)
    assert (log.total, [row.event.timestamp for row in log.rows]) == (events, [NOW + events - n for n in range(1, 6)])


@pytest.mark.usefixtures("few_values")
def test_a_key_with_another_value_in_every_event_is_closed_and_all_else_goes_on(parts: Services) -> None:
    """Here and after a restart, with columns that were saved, and from the store alone."""
    meter = requests(parts, 100)
    check_closed(parts, meter, 100)
    again = reopened(parts)
    assert again.live.current().coder.closed == {"request"}
    check_closed(again, meter, 100)
    requests(again, 100, first=100)
    check_closed(again, meter, 200)
    last = reopened(again)
    check_closed(last, meter, 200)
    shutil.rmtree(folder(last))
    last.store.close()
    check_closed(open_instance(parts.instance), meter, 200)


@pytest.mark.usefixtures("few_values")
def test_a_closed_key_that_a_later_meter_counts_by_is_coded_for_all_events(parts: Services) -> None:
    """The count goes on after a restart, and what was refused before is answered."""
    calls = requests(parts, 20)
    people = make_meter(parts, "people", "UNIQUE_COUNT", property_name="request")
    parts.ingest.store([new(people, metadata={"request": f"y{step}"}) for step in range(3)])
    assert total(parts, people) == 3
    again = reopened(parts)
    again.ingest.store([new(people, metadata={"request": f"z{step}"}) for step in range(3)])
    assert total(again, people) == 6
    assert total(again, calls, meta=(("request", ("r1",)),)) == 1


@pytest.mark.usefixtures("few_values")
def test_a_closed_key_that_a_later_meter_filters_by_is_coded_for_all_events(parts: Services) -> None:
    """The meter's own figure is right after a restart, too."""
    calls = requests(parts, 20)
    few = make_meter(parts, "few", filters=({"key": "request", "values": ["y1", "y2", "z1"]},))
    parts.ingest.store([new(few, metadata={"request": f"y{step}"}) for step in range(3)])
    assert total(parts, few) == 2
    again = reopened(parts)
    again.ingest.store([new(few, metadata={"request": f"z{step}"}) for step in range(3)])
    assert total(again, few) == 3
    assert total(again, calls, meta=(("request", ("r1",)),)) == 1
