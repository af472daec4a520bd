"""What `verify` holds the columns against: its clock, its tally and its SQL, each judged on its own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core import calendar
from fluxrate.core.columns.coding import value_text
from fluxrate.core.services import Services
from fluxrate.core.store import audit
from fluxrate.core.store.audit import Audit, Life, Row, Scope, Sums
from fluxrate.core.verify import clock
from fluxrate.core.verify.asking import ZONES
from fluxrate.core.verify.tally import METRICS, Tally, summed, texts
from tests import reference
from tests.core.worlds import ANCHORS
from tests.generated import examples
from tests.instances import NOW, make_meter, new, open_instance
from tests.postgresql import Server

MAX = 2**63 - 1
DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("instant", "zone", "group", "expected"),
    [
        ("2025-01-01T10:15:59.999999Z", "UTC", "minute", "2025-01-01T10:15:00Z"),
        ("2025-01-01T10:15:59.999999Z", "Asia/Kathmandu", "hour", "2025-01-01T16:00:00+05:45"),
        ("2025-01-01T04:59:59.999999Z", "America/New_York", "day", "2024-12-31"),
        ("2025-01-01T05:00:00Z", "America/New_York", "day", "2025-01-01"),
        ("2025-10-26T00:30:00Z", "Europe/Berlin", "hour", "2025-10-26T02:00:00+02:00"),
        ("2025-10-26T01:30:00Z", "Europe/Berlin", "hour", "2025-10-26T02:00:00+01:00"),
        ("2011-12-30T09:59:59Z", "Pacific/Apia", "day", "2011-12-29"),
        ("2011-12-30T10:00:00Z", "Pacific/Apia", "day", "2011-12-31"),
        ("2025-06-01T00:00:00Z", "UTC", "week", "2025-05-26"),
        ("2025-05-31T23:00:00Z", "Asia/Kolkata", "month", "2025-06-01"),
        ("2025-06-30T23:59:59Z", "UTC", "quarter", "2025-04-01"),
        ("2040-12-31T23:59:59Z", "UTC", "year", "2040-01-01"),
    ],
)
def test_the_label_of_an_instant(instant: str, zone: str, group: str, expected: str) -> None:
    assert clock.label(reference.micros(instant), group, zone) == expected


def test_a_day_that_has_begun_does_not_end_before_its_own_midnight() -> None:
    """St. John's put its clock back at 00:01: the hour after shows the day before once more, but is the new day."""
    for instant, expected in (
        ("2006-10-29T02:29:59Z", date(2006, 10, 28)),
        ("2006-10-29T02:30:00Z", date(2006, 10, 29)),
        ("2006-10-29T02:30:59.999999Z", date(2006, 10, 29)),
        ("2006-10-29T02:31:00Z", date(2006, 10, 29)),
        ("2006-10-29T03:29:59Z", date(2006, 10, 29)),
        ("2006-10-29T03:30:00Z", date(2006, 10, 29)),
    ):
        assert clock.day(reference.micros(instant), "America/St_Johns") == expected, instant


instants = st.builds(
    lambda anchor, offset: max(0, anchor + offset),
    st.sampled_from(ANCHORS),
    st.one_of(st.integers(-DAY, DAY), st.integers(-9_000 * DAY, 9_000 * DAY)),
)


@examples(400)
@given(instant=instants, zone=st.sampled_from(ZONES), group=st.sampled_from(calendar.GROUPS))
def test_the_clock_and_the_calendar_agree_on_where_a_bucket_starts(instant: int, zone: str, group: str) -> None:
    """Two ways to the same: the instant's own label, and that of the start and the end of its bucket."""
    start = calendar.bucket_start(instant, group, zone)
    assert clock.label(instant, group, zone) == clock.label(start, group, zone)
    assert clock.label(start - 1, group, zone) != clock.label(start, group, zone)


quantities = st.one_of(st.integers(0, 5), st.integers(0, MAX), st.just(MAX))
rows = st.lists(
    st.builds(
        lambda ts, quantity, customer, value: (ts, quantity, customer, value),
        st.integers(0, 3),
        quantities,
        st.integers(1, 4),
        st.sampled_from(["a", "b", "", None]),
    ),
    max_size=12,
)


@examples(200)
@given(rows=rows, decimals=st.integers(0, 18), cut=st.integers(0, 12))
def test_a_tally_comes_to_what_the_reference_says(
    rows: list[tuple[int, int, int, str | None]], decimals: int, cut: int
) -> None:
    """All metrics, over events taken in one by one, and over two tallies of which one absorbs the other."""
    events, tallies = [], (Tally(), Tally())
    for seq, (ts, quantity, customer, value) in enumerate(rows, 1):
        tallies[seq > cut].add(Row(seq, customer, ts, quantity, None), value)
        unscaled = Decimal((0, tuple(map(int, str(quantity))), -decimals))
        events.append(reference.Event(ts=ts, seq=seq, quantity=unscaled, customer=str(customer), property=value))
    tallies[0].absorb(tallies[1])
    for metric in METRICS:
        expected = reference.figure(metric, events, decimals)
        assert tallies[0].figure(metric, decimals) == (None if expected is None else Fraction(expected)), metric
    assert len(tallies[0].customers) == reference.unique_customers(events)


def test_sums_of_sql_are_a_tally_too() -> None:
    tally = summed({1: Sums(2, 10, 3, 7), 9: Sums(1, MAX, MAX, MAX)}, Row(5, 1, 3, 7, None))
    assert (tally.figure("SUM", 0), tally.figure("MIN", 0), tally.figure("MAX", 0)) == (MAX + 10, 3, MAX)
    assert (tally.figure("COUNT", 0), tally.figure("LAST", 1), tally.customers) == (3, Fraction(7, 10), {1, 9})
    assert summed({}, None).figure("MIN", 0) is None


leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
)
metas = st.dictionaries(
    st.text(max_size=4),
    st.recursive(
        leaves, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner))
    ),
    max_size=5,
)


@examples(300)
@given(meta=metas)
def test_metadata_has_the_texts_that_the_columns_have(meta: dict[str, Any]) -> None:
    """Read by another decoder, from what the store keeps, the text under a key is the same to the letter."""
    stored = msgspec.json.encode(meta).decode()
    read = msgspec.json.decode(stored)
    found = texts(stored)
    for key, value in read.items():
        assert value is None or found[key] == value_text(value)


def test_metadata_has_texts_under_dotted_paths() -> None:
    found = texts('{"a":{"b":{"c":1},"d":null},"a.d":"own","e":null,"f":[1.50,"ü"]}')
    assert found == {"a": '{"b":{"c":1},"d":null}', "a.b": '{"c":1}', "a.b.c": "1", "a.d": "own", "f": '[1.5,"ü"]'}
    assert texts(None) == {}
    assert texts('{"a.b":"own","a":{"b":"inside"}}')["a.b"] == "own"


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def parts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Services]:
    """An instance on either store, read in ranges of three sequences."""
    server = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    settings = {"DATABASE_URL": server.database()} if server else {}
    made = open_instance(tmp_path / "instance", **settings)
    yield made
    made.store.close()


@pytest.fixture
def short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_ROWS_RANGE", 3)
    monkeypatch.setattr(audit, "_SUMS_RANGE", 3)


def test_sql_gives_the_events_of_a_scope(parts: Services, short_ranges: None) -> None:
    """Everything that narrows, on events with equal times, of the largest quantities, two of them voided."""
    rng = random.Random(4)
    meters = [make_meter(parts, "calls"), make_meter(parts, "other")]
    parts.ingest.store(
        [new(rng.choice(meters), NOW + rng.randrange(4), rng.choice((1, 5, MAX)), rng.choice("abc")) for _ in range(40)]
    )
    voids = {7: 41, 8: 42}
    for seq in voids:
        parts.store.voids.add(seq, "twice", "user:ada", NOW)
    stored = [Row(seq, who, ts, quantity, text) for seq, _, who, ts, quantity, text in parts.store.events.read_after(0)]
    owners = {seq: meter for seq, meter, *_ in parts.store.events.read_after(0)}
    checked = Audit(parts.store.read)
    for _ in range(150):
        scope = Scope(
            meter_pk=rng.choice(meters).pk,
            start=NOW + rng.randrange(3),
            end=NOW + rng.randrange(5),
            as_of=rng.choice((0, 20, 40, 41, 42)),
            low=rng.choice((0, 2)),
            high=rng.choice((4, MAX - 1, MAX)),
            customers=rng.choice(((), (1,), (1, 3))),
            voided=rng.choice((True, False)),
        )
        expected = [
            row
            for row in stored
            if owners[row.seq] == scope.meter_pk
            and row.seq <= scope.as_of
            and scope.start <= row.timestamp < scope.end
            and scope.low <= row.quantity <= scope.high
            and (not scope.customers or row.customer_pk in scope.customers)
            and (scope.voided or voids.get(row.seq, 99) > scope.as_of)
        ]
        compare_scope(checked, scope, expected)


def compare_scope(checked: Audit, scope: Scope, expected: list[Row]) -> None:
    assert list(checked.rows(scope)) == expected
    by_customer: dict[int, list[int]] = {}
    for row in expected:
        by_customer.setdefault(row.customer_pk, []).append(row.quantity)
    assert checked.sums(scope) == {
        who: Sums(len(found), sum(found), min(found), max(found)) for who, found in by_customer.items()
    }
    order = sorted(expected, key=lambda row: (row.timestamp, row.seq))
    assert checked.latest(scope) == (order[-1] if order else None)
    seqs = [row.seq for row in order]
    assert checked.page(scope, "asc", 1, 4) == seqs[1:5]
    assert checked.page(scope, "desc", 0, 3) == seqs[::-1][:3]
    assert all(type(seq) is int for seq in checked.page(scope, "desc", 0, 3))


def test_sql_tells_a_meters_life_and_the_next_of_its_events(parts: Services, short_ranges: None) -> None:
    meters = [make_meter(parts, "calls"), make_meter(parts, "other"), make_meter(parts, "empty")]
    parts.ingest.store([new(meters[step in (1, 4)], NOW - step) for step in range(8)])
    parts.store.voids.add(3, "twice", "user:ada", NOW)
    checked = Audit(parts.store.read)
    assert checked.lives(9) == {
        meters[0].pk: Life(6, 1, 8, NOW - 7, NOW),
        meters[1].pk: Life(2, 2, 5, NOW - 4, NOW - 1),
    }
    assert checked.lives(4)[meters[1].pk] == Life(1, 2, 2, NOW - 1, NOW - 1)
    found = checked.next(meters[1].pk, 3)
    assert found is not None
    assert found.seq == 5
    assert checked.next(meters[1].pk, 6) is checked.next(meters[2].pk, 0) is None
    assert (checked.next_void(1), checked.next_void(9), checked.next_void(10)) == (9, 9, None)
