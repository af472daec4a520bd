"""What a meter counts by: its property, its filters, and metadata keys without end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fluxrate.core.columns.coding import MOST_KEYS
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


def test_a_distinct_count_reads_the_property_and_falls_back_to_the_user(parts: Services) -> None:
    """The same text under either key is one value; an empty or null property is absent or a value as it was sent."""
    meter = make_meter(parts, "seats", "UNIQUE_COUNT", property_name="seat")
    metas: list[dict[str, Any]] = [
        {"seat": "a"},
        {"seat": "b", "user_id": "x"},
        {"user_id": "a"},
        {"user_id": "x"},
        {"seat": None, "user_id": "y"},
        {"seat": 7},
        {"user_id": "7"},
        {"seat": ""},
    ]
    parts.ingest.store([new(meter, metadata=meta) for meta in metas])
    assert total(parts, meter) == len({"a", "b", "x", "y", "7", ""})


def test_a_distinct_count_is_the_same_whichever_batch_had_which_key(parts: Services) -> None:
    """Old events have the property only, new ones the fallback only, and the restart put the old ones into the base."""
    meter = make_meter(parts, "seats", "UNIQUE_COUNT", property_name="seat")
    parts.ingest.store([new(meter, metadata={"seat": name}) for name in ("a", "b", "c")])
    again = reopened(parts)
    again.ingest.store([new(meter, metadata={"user_id": name}) for name in ("x", "y", "a")])
    snapshot = again.live.current().snapshot(meter.pk)
    assert (len(snapshot.base), len(snapshot.tail)) == (3, 3)
    assert total(again, meter) == 5
    by_customer = again.engine.ranking(meter, Query(EVER), 10)
    assert [row.usage for row in by_customer.rows] == [5]
    again.ingest.store([new(meter, metadata={"seat": "x"})])
    assert total(again, meter) == 5
    again.store.close()


def test_a_meter_without_a_property_counts_users(parts: Services) -> None:
    meter = make_meter(parts, "people", "UNIQUE_COUNT")
    parts.ingest.store([new(meter, metadata={"user_id": f"u{step % 4}", "seat": str(step)}) for step in range(20)])
    assert total(parts, meter) == 4


def test_only_events_that_pass_the_meters_filters_count_but_all_stand_in_the_log(parts: Services) -> None:
    meter = make_meter(
        parts,
        "eu_paid",
        filters=({"key": "region", "values": ["eu", "uk"]}, {"key": "paid", "values": ["true"]}),
    )
    metas: list[dict[str, Any] | None] = [
        {"region": "eu", "paid": True},
        {"region": "us", "paid": True},
        {"region": "uk", "paid": "true"},
        {"region": "eu", "paid": False},
        {"region": "eu"},
        None,
    ]
    rows = [new(meter, NOW + place, 10**place, f"c{place}", metadata=meta) for place, meta in enumerate(metas)]
    parts.ingest.store(rows)
    usage = parts.engine.usage(meter, Query(EVER, "day", fill="none"))
    assert (usage.total, usage.event_count, usage.unique_customers) == (101, 2, 2)
    assert [(bucket.usage, bucket.event_count) for bucket in usage.buckets] == [(101, 2)]
    log = parts.engine.log([meter], Query(EVER), figure=True)
    assert (log.total, log.usage) == (6, 101)
    assert [row.customer.external_id for row in parts.engine.ranking(meter, Query(EVER), 10).rows] == ["c2", "c0"]
    stats = parts.engine.stats(meter, "UTC", NOW)
    assert (stats.total_events, stats.unique_customers, stats.today) == (2, 2, 101)


def hostile(parts: Services) -> Meter:
    """A meter whose senders use more metadata keys than are coded."""
    meter = make_meter(parts, "noise")
    parts.ingest.store([new(meter, metadata={f"key-{step}": "v"}) for step in range(3 * MOST_KEYS)])
    assert total(parts, meter) == 3 * MOST_KEYS
    assert len(parts.live.current().coder.dictionaries) == MOST_KEYS
    return meter


def test_a_flood_of_metadata_keys_does_not_keep_a_later_meter_from_its_own(parts: Services) -> None:
    hostile(parts)
    seats = make_meter(parts, "seats", "UNIQUE_COUNT", property_name="seat")
    paid = make_meter(parts, "paid", filters=({"key": "tier", "values": ["paid"]},))
    events = [new(seats, metadata={"seat": str(step % 5)}) for step in range(20)]
    events += [new(paid, metadata={"tier": "paid" if step % 4 == 0 else "free"}) for step in range(20)]
    parts.ingest.store(events)
    assert (total(parts, seats), total(parts, paid)) == (5, 5)
    again = reopened(parts)
    again.ingest.store([new(seats, metadata={"seat": "new"}), new(paid, metadata={"tier": "paid"})])
    assert (total(again, seats), total(again, paid)) == (6, 6)
    shutil.rmtree(folder(again))
    rebuilt = open_instance(again.instance)
    assert (total(rebuilt, seats), total(rebuilt, paid)) == (6, 6)


def test_a_meter_changed_before_its_first_event_counts_by_what_it_was_changed_to(parts: Services) -> None:
    """Columns that saw the meter when it read another key must notice."""
    seats = make_meter(parts, "seats", "UNIQUE_COUNT", property_name="chair")
    noise = hostile(parts)
    seats = parts.store.meters.update(seats.pk, {"property_name": "seat"}, NOW)
    parts.ingest.store([new(noise), *(new(seats, metadata={"seat": str(step)}) for step in range(3))])
    assert total(parts, seats) == 3


def counted(parts: Services, meter: Meter, key: str) -> int:
    """Events of the meter with the value v under the key."""
    return parts.engine.usage(meter, Query(EVER, meta=((key, ("v",)),))).event_count


def test_a_key_that_a_later_meter_needs_has_all_its_events_on_every_meter(parts: Services) -> None:
    """Events that came when the key was passed over are coded again, here, after a restart and without the files."""
    noise = hostile(parts)
    with pytest.raises(RuleBroken, match="none of them"):
        counted(parts, noise, "key-150")
    later = make_meter(parts, "later", filters=({"key": "key-150", "values": ["v"]},))
    parts.ingest.store([new(later, metadata={"key-150": "v"})])
    assert (counted(parts, noise, "key-150"), total(parts, later)) == (1, 1)
    again = reopened(parts)
    assert (counted(again, noise, "key-150"), total(again, later)) == (1, 1)
    shutil.rmtree(folder(again))
    assert counted(open_instance(again.instance), noise, "key-150") == 1


def test_a_meters_own_filter_works_though_no_event_ever_had_its_key(parts: Services) -> None:
    """Nothing counts, which is an answer and no error, also after a restart."""
    filtered = make_meter(parts, "filtered", filters=({"key": "plan", "values": ["pro"]},))
    hostile(parts)
    parts.ingest.store([new(filtered, metadata={"other": "x"}), new(filtered)])
    assert total(parts, filtered) == 0
    again = reopened(parts)
    assert total(again, filtered) == 0
    assert again.engine.log([filtered], Query(EVER)).total == 2


def test_a_key_spelled_with_a_dot_wins_over_a_nested_one(parts: Services) -> None:
    """Whichever of them stands first; and null is no value that takes a key's place."""
    meter = make_meter(parts)
    for metadata in ({"a.b": "v", "a": {"b": "x"}}, {"a": {"b": "x"}, "a.b": "v"}, {"a": {"b": "v"}, "none": None}):
        parts.ingest.store([new(meter, metadata=metadata)])
    assert counted(parts, meter, "a.b") == 3
    assert "none" not in parts.live.current().coder.dictionaries
