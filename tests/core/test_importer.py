"""Importing: what is right goes in once, what is wrong is named with its line, and a second run changes nothing."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core import importer, rows
from fluxrate.core.calendar import Window
from fluxrate.core.errors import FluxrateError, Malformed, RuleBroken, Unavailable
from fluxrate.core.importer import BATCH, Columns, Importer, Report, joined_key
from fluxrate.core.model import Meter
from fluxrate.core.query import Query
from fluxrate.core.services import Services
from tests.generated import examples
from tests.instances import NOW, make_meter, open_instance
from tests.reference import micros

EVER = Window(0, 2 * NOW, "UTC")
HEADER = "customer_external_id,timestamp,quantity,idempotency_key"
WHEN = "2025-03-01T12:00:00Z"


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Services]:
    made = open_instance(tmp_path / "instance")
    yield made
    made.store.close()


@pytest.fixture
def meter(parts: Services) -> Meter:
    return make_meter(parts, decimals=2)


class Run:
    """One import of one file: its report, and the rejected rows by line."""

    def __init__(
        self,
        parts: Services,
        meter: Meter,
        data: str | bytes,
        columns: Columns | None = None,
        *,
        kind: str = "csv",
        source: str = "events.csv",
    ) -> None:
        self.report = Report()
        self.rejected: dict[int, str] = {}
        self.failure: FluxrateError | None = None
        made = Importer(parts.ingest, meter, columns or Columns(), NOW)
        raw = data.encode() if isinstance(data, str) else data
        try:
            header, lines = rows.read(io.BytesIO(raw), kind)
            if header is not None:
                made.columns.check(header)
            for report in made.run(lines, source, self.rejected.__setitem__):
                self.report = report
        except FluxrateError as failure:
            self.failure = failure

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.report.accepted, self.report.duplicates, self.report.rejected


def stored(parts: Services, meter: Meter) -> list[tuple[str, int, int, str | None]]:
    """(customer, time, quantity, metadata) of every event, oldest first."""
    page = parts.engine.log([meter], Query(EVER), page_size=1_000, order="asc")
    return [(r.customer.external_id, r.event.timestamp, r.event.quantity, r.event.metadata) for r in page.rows]


def total(parts: Services, meter: Meter) -> Any:
    return parts.engine.usage(meter, Query(EVER)).total


def csv_of(count: int, first: int = 0) -> str:
    lines = [
        f"c{number % 7},2025-03-01T12:00:{number % 60:02}Z,{number + 1},k{number}" for number in range(first, count)
    ]
    return "\n".join([HEADER, *lines]) + "\n"


# What goes in


def test_a_row_becomes_an_event_as_it_was_sent(parts: Services, meter: Meter) -> None:
    run = Run(parts, meter, f"{HEADER}\nacme,{WHEN},1.5,k1\nZürich AG,2025-03-01T14:00:00+01:00,0.01,k2\n")
    assert (run.counts, run.rejected) == ((2, 0, 0), {})
    assert stored(parts, meter) == [
        ("acme", micros(WHEN), 150, None),
        ("Zürich AG", micros("2025-03-01T13:00:00Z"), 1, None),
    ]


def test_columns_may_have_any_name_and_order(parts: Services, meter: Meter) -> None:
    columns = Columns("who", "when", "how much", keys=("a", "b"), meta=("plan", "region"))
    data = f"plan,b,who,when,how much,a,region,rest\npro,1,acme,{WHEN},7,x,eu,?\n,2,acme,{WHEN},8,x,,?\n"
    assert Run(parts, meter, data, columns).counts == (2, 0, 0)
    metas = [row[3] for row in stored(parts, meter)]
    assert metas == ['{"plan":"pro","region":"eu"}', None], "an empty cell is no metadata"


def test_one_quantity_for_every_row_needs_no_column(parts: Services, meter: Meter) -> None:
    columns = Columns(quantity_value="2.5", keys=("id",))
    data = f"customer_external_id,timestamp,id\na,{WHEN},1\nb,{WHEN},2\n"
    assert Run(parts, meter, data, columns).counts == (2, 0, 0)
    assert total(parts, meter) == 5


def test_a_count_needs_no_quantity_and_a_sum_does(parts: Services, meter: Meter) -> None:
    data = f"customer_external_id,timestamp\na,{WHEN}\n"
    count = make_meter(parts, "hits", "COUNT", decimals=3)
    assert Run(parts, count, data).counts == (1, 0, 0)
    assert total(parts, count) == 1
    assert "quantity" in Run(parts, meter, data).rejected[2]


def test_a_csv_cell_may_carry_metadata_as_json(parts: Services, meter: Meter) -> None:
    data = f'customer_external_id,timestamp,quantity,metadata\na,{WHEN},1,"{{""n"": [1, ""x""]}}"\nb,{WHEN},1,\n'
    data += f'c,{WHEN},1,"[1]"\nd,{WHEN},1,{{\n'
    run = Run(parts, meter, data)
    assert [row[3] for row in stored(parts, meter)] == ['{"n":[1,"x"]}', None]
    assert sorted(run.rejected) == [4, 5]
    assert "metadata" in run.rejected[4]


def test_ndjson_rows_go_in_like_csv_rows(parts: Services, meter: Meter) -> None:
    objects = [
        {"customer_external_id": "a", "timestamp": WHEN, "quantity": "1.25", "metadata": {"plan": "pro"}},
        {"customer_external_id": 7, "timestamp": WHEN, "quantity": 2.005},
        {"customer_external_id": "c", "timestamp": WHEN, "quantity": 1e2, "metadata": None},
    ]
    data = "\n".join(map(json.dumps, objects))
    assert Run(parts, meter, data, kind="ndjson").counts == (3, 0, 0)
    assert [(row[0], row[2], row[3]) for row in stored(parts, meter)] == [
        ("a", 125, '{"plan":"pro"}'),
        ("7", 200, None),
        ("c", 10_000, None),
    ]


def test_metadata_may_be_named_as_in_exports(parts: Services, meter: Meter) -> None:
    """`meta_data` is what answers and exports call it; where both stand, it is what requests call `metadata`."""
    Run(parts, meter, f'customer_external_id,timestamp,quantity,meta_data\na,{WHEN},1,"{{""n"": 1}}"\n')
    row = {"customer_external_id": "b", "timestamp": WHEN, "quantity": "1", "meta_data": {"n": 2}}
    Run(parts, meter, json.dumps(row) + "\n" + json.dumps(row | {"metadata": {"n": 3}}), kind="ndjson")
    assert [found[3] for found in stored(parts, meter)] == ['{"n":1}', '{"n":2}', '{"n":3}']


def test_ndjson_metadata_columns_keep_their_type(parts: Services, meter: Meter) -> None:
    row = {"customer_external_id": "a", "timestamp": WHEN, "quantity": 1, "n": 1.5, "tags": ["x"], "no": None}
    assert Run(parts, meter, json.dumps(row), Columns(meta=("n", "tags", "no")), kind="ndjson").counts == (1, 0, 0)
    assert stored(parts, meter)[0][3] == '{"n":1.5,"tags":["x"]}'


def test_an_event_without_a_time_happened_now_but_an_empty_cell_is_no_time(parts: Services, meter: Meter) -> None:
    """A blank in a column of times is a mistake in the file; counting it today would be a wrong figure."""
    assert Run(parts, meter, "customer_external_id,quantity\na,1\n").counts == (1, 0, 0)
    assert stored(parts, meter)[0][1] == NOW
    blank = Run(parts, meter, "customer_external_id,timestamp,quantity\na,,1\n")
    assert blank.counts == (0, 0, 1)
    assert "timestamp" in blank.rejected[2]
    row = {"customer_external_id": "a", "quantity": 1, "when": None}
    named = Run(parts, meter, json.dumps(row), Columns(timestamp="when"), kind="ndjson")
    assert "when" in named.rejected[1]


# What is left out


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f",{WHEN},1,k", "customer_external_id"),
        (f" a,{WHEN},1,k", "space"),
        (f"a\0b,{WHEN},1,k", "U+0000"),
        (f"{'x' * 256},{WHEN},1,k", "255"),
        ("a,yesterday,1,k", "timestamp"),
        ("a,2025-13-01,1,k", "timestamp"),
        ("a,1969-12-31T23:59:59Z,1,k", "1970"),
        ("a,2999-01-01,1,k", "ahead"),
        (f"a,{WHEN},,k", "quantity"),
        (f"a,{WHEN},1.234,k", "at most 2 decimal places"),
        (f"a,{WHEN},-1,k", "not negative"),
        (f"a,{WHEN},0,k", "greater than 0"),
        (f"a,{WHEN},1e3,k", "quantity"),
        (f"a,{WHEN},NaN,k", "quantity"),
        (f"a,{WHEN},92233720368547758.08,k", "too large"),
        (f'a,{WHEN},"1,5",k', "quantity"),
        (f"a,{WHEN},1,{'k' * 256}", "idempotency_key"),
        (f"a,{WHEN},1,k\0", "U+0000"),
        (f"a,{WHEN},1", "4 cells"),
        (f"a,{WHEN},1,k,more", "4 cells"),
        (f'"a"b,{WHEN},1,k', "no CSV"),
    ],
)
def test_a_row_that_cannot_be_an_event_is_named_and_the_rest_goes_in(
    parts: Services, meter: Meter, row: str, reason: str
) -> None:
    run = Run(parts, meter, f"{HEADER}\ngood,{WHEN},1,k1\n{row}\ngood,{WHEN},2,k2\n")
    assert run.counts == (2, 0, 1)
    assert list(run.rejected) == [3]
    assert reason in run.rejected[3]
    assert "\n" not in run.rejected[3]
    assert total(parts, meter) == 3


def test_bytes_that_are_no_utf8_are_refused_wherever_they_would_be_kept(parts: Services, meter: Meter) -> None:
    """In the customer, the key and the metadata; a column that is not used may hold what it likes."""
    columns = Columns(keys=("id",), meta=("plan",))
    start = b"customer_external_id,timestamp,quantity,id,plan,rest\n"
    when = WHEN.encode()
    lines = [b"\xff,%s,1,1,p,r", b"a,%s,1,\xff,p,r", b"a,%s,1,3,\xff,r", b"a,%s,1,4,p,\xff"]
    run = Run(parts, meter, start + b"\n".join(line % when for line in lines), columns)
    assert run.counts == (1, 0, 3)
    assert sorted(run.rejected) == [2, 3, 4]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"customer_external_id":"a","quantity":', "JSON object"),
        ('{"customer_external_id":"a"}', "quantity"),
        ('{"customer_external_id":"a","quantity":null}', "quantity"),
        ('{"customer_external_id":"a","quantity":true}', "quantity"),
        ('{"customer_external_id":"a","quantity":-0.5}', "not negative"),
        ('{"customer_external_id":"a","quantity":"1.005"}', "decimal places"),
        ('{"customer_external_id":{"id":1},"quantity":1}', "customer_external_id"),
        ('{"customer_external_id":false,"quantity":1}', "customer_external_id"),
        ('{"customer_external_id":null,"quantity":1}', "customer_external_id"),
        ('{"customer_external_id":"a","quantity":1,"timestamp":1740830400}', "timestamp"),
        ('{"customer_external_id":"a","quantity":1,"timestamp":[]}', "timestamp"),
        ('{"customer_external_id":"a","quantity":1,"metadata":[]}', "metadata"),
        ('{"customer_external_id":"a","quantity":1,"metadata":{"a":"\\u0000"}}', "NUL"),
        (f'{{"customer_external_id":"a","quantity":1,"metadata":{{"a":{"[" * 900}{"]" * 900}}}}}', ""),
        (json.dumps({"customer_external_id": "a", "quantity": 1, "metadata": {str(n): n for n in range(65)}}), "64"),
        (json.dumps({"customer_external_id": "a", "quantity": 1, "metadata": {"a": "x" * 20_000}}), "16384"),
    ],
)
def test_a_json_line_that_cannot_be_an_event_is_named_and_the_rest_goes_in(
    parts: Services, meter: Meter, line: str, reason: str
) -> None:
    good = '{"customer_external_id":"a","quantity":1}'
    run = Run(parts, meter, f"{good}\n{line}\n{good}\n", kind="ndjson")
    assert run.counts == (2, 0, 1)
    assert list(run.rejected) == [2]
    assert reason in run.rejected[2]


def test_a_distinct_count_refuses_a_row_without_the_property(parts: Services) -> None:
    seats = make_meter(parts, "seats", "UNIQUE_COUNT", property_name="seat")
    columns = Columns(quantity_value="1", keys=("id",), meta=("seat", "user_id"))
    data = f"customer_external_id,timestamp,id,seat,user_id\na,{WHEN},1,s1,\na,{WHEN},2,,\na,{WHEN},3,,u1\n"
    run = Run(parts, seats, data, columns)
    assert (run.counts, list(run.rejected)) == ((2, 0, 1), [3])
    assert total(parts, seats) == 2


@pytest.mark.parametrize("column", ["customer", "timestamp", "quantity", "keys", "meta"])
def test_a_file_without_a_column_that_was_named_is_refused_whole(parts: Services, meter: Meter, column: str) -> None:
    columns = Columns(**{column: ("nowhere",) if column in ("keys", "meta") else "nowhere"})  # type: ignore[arg-type]
    run = Run(parts, meter, f"{HEADER}\na,{WHEN},1,k\n", columns)
    assert isinstance(run.failure, Malformed)
    assert "nowhere" in run.failure.detail
    assert "customer_external_id" in run.failure.detail, "it says which columns there are"
    assert stored(parts, meter) == []


def test_an_archived_meter_and_a_quantity_it_cannot_hold_are_refused_at_once(parts: Services, meter: Meter) -> None:
    with pytest.raises(Malformed, match="--quantity-value"):
        Importer(parts.ingest, meter, Columns(quantity_value="1.234"), NOW)
    archived = parts.store.meters.update(meter.pk, {"status": "ARCHIVED"}, NOW)
    with pytest.raises(RuleBroken, match="archived"):
        Importer(parts.ingest, archived, Columns(), NOW)


def test_a_store_that_is_away_stops_the_import_and_no_row_is_blamed(parts: Services, meter: Meter) -> None:
    importer = Importer(parts.ingest, meter, Columns(), NOW)
    parts.store.close()
    for path in parts.instance.glob("fluxrate.db*"):
        path.unlink()
    (parts.instance / "fluxrate.db").write_bytes(b"this is no database " * 1_000)
    rejected: list[int] = []
    _, lines = rows.read(io.BytesIO(csv_of(3).encode()), "csv")
    with pytest.raises(Unavailable):
        list(importer.run(lines, "events.csv", lambda line, _: rejected.append(line)))
    assert rejected == []


# Run again


@pytest.mark.parametrize("keyed", [True, False])
def test_a_second_run_counts_nothing_twice(parts: Services, meter: Meter, keyed: bool) -> None:
    """With keys in the file, and with those made of the file's name, line and content."""
    data = csv_of(12) if keyed else re.sub(r",[^,]*$", "", csv_of(12), flags=re.MULTILINE)
    assert Run(parts, meter, data).counts == (12, 0, 0)
    before = stored(parts, meter)
    assert Run(parts, meter, data).counts == (0, 12, 0)
    assert stored(parts, meter) == before


def test_equal_rows_of_a_file_without_keys_are_as_many_events(parts: Services, meter: Meter) -> None:
    data = f"customer_external_id,timestamp,quantity\na,{WHEN},1\na,{WHEN},1\n"
    assert Run(parts, meter, data).counts == (2, 0, 0)
    assert Run(parts, meter, data, source="other.csv").counts == (2, 0, 0)
    assert Run(parts, meter, data).counts == (0, 2, 0)


def test_a_key_that_stands_twice_in_a_file_counts_once(parts: Services, meter: Meter) -> None:
    assert Run(parts, meter, f"{HEADER}\na,{WHEN},1,k\na,{WHEN},1,k\n").counts == (1, 1, 0)
    assert total(parts, meter) == 1


@pytest.mark.parametrize("at", [1, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 200])
def test_an_import_that_was_interrupted_is_completed_by_the_next(parts: Services, meter: Meter, at: int) -> None:
    """Before, at and after the end of a batch."""
    whole = csv_of(2 * BATCH + 321)
    half = "\n".join(whole.split("\n")[: at + 1]) + "\n"
    assert Run(parts, meter, half).counts == (at, 0, 0)
    count = 2 * BATCH + 321
    assert Run(parts, meter, whole).counts == (count - at, at, 0)
    assert total(parts, meter) == count * (count + 1) // 2
    assert parts.engine.usage(meter, Query(EVER)).event_count == count


def test_of_a_gzip_file_cut_short_what_came_goes_in_and_the_import_fails(parts: Services, meter: Meter) -> None:
    whole = csv_of(2 * BATCH)
    packed = gzip.compress(whole.encode())
    cut = Run(parts, meter, packed[: len(packed) * 3 // 4])
    assert cut.failure is not None
    assert "gzip" in cut.failure.detail
    accepted, duplicates, rejected = cut.counts
    assert accepted > BATCH, "also the rows of the batch that was under way"
    assert (duplicates, rejected) == (0, 0)
    again = Run(parts, meter, packed)
    assert again.counts == (2 * BATCH - accepted, accepted, 0)
    assert total(parts, meter) == BATCH * (2 * BATCH + 1)


def test_an_import_stopped_between_batches_keeps_the_batches_that_were_reported(parts: Services, meter: Meter) -> None:
    importer = Importer(parts.ingest, meter, Columns(), NOW)
    _, lines = rows.read(io.BytesIO(csv_of(2 * BATCH).encode()), "csv")
    running = importer.run(lines, "events.csv", lambda *_: None)
    assert next(running).accepted == BATCH
    del running
    assert Run(parts, meter, csv_of(2 * BATCH)).counts == (BATCH, BATCH, 0)


# Keys


@examples(200)
@given(st.lists(st.text(alphabet="a|\\", max_size=4), min_size=1, max_size=4).filter(any))
def test_the_columns_of_a_joined_key_can_be_told_from_it_so_no_two_rows_share_one(cells: list[str]) -> None:
    names = [str(place) for place in range(len(cells))]
    key = joined_key(dict(zip(names, cells, strict=True)), names)
    found = [""]
    letters = iter(key)
    for letter in letters:
        if letter == "|":
            found.append("")
        else:
            found[-1] += next(letters) if letter == "\\" else letter
    assert found == cells


def test_joined_keys_cannot_collide_in_the_store(parts: Services, meter: Meter) -> None:
    columns = Columns(keys=("a", "b"))
    pairs = ["a|,b", "a,|b", "a\\,|b", "a\\|,b", "|,", ",|", "\\,\\", "\\,|", "|\\,", "a,", ",a"]
    data = "\n".join(["customer_external_id,timestamp,quantity,a,b", *(f"c,{WHEN},1,{pair}" for pair in pairs)])
    assert Run(parts, meter, data, columns).counts == (len(pairs), 0, 0)


def test_a_row_with_nothing_in_its_key_is_refused(parts: Services, meter: Meter) -> None:
    """Otherwise all such rows would be taken for repeats of the first."""
    columns = Columns(keys=("a", "b"))
    run = Run(parts, meter, f"customer_external_id,timestamp,quantity,a,b\nc,{WHEN},1,,\nc,{WHEN},1,x,\n", columns)
    assert (run.counts, list(run.rejected)) == ((1, 0, 1), [2])


def test_an_object_without_a_column_of_the_key_is_refused(parts: Services, meter: Meter) -> None:
    """NDJSON has no header that could be checked: a misspelt key must not make every row a repeat."""
    row = {"customer_external_id": "a", "timestamp": WHEN, "quantity": 1, "id": 1}
    data = "\n".join(json.dumps(row | {"quantity": number}) for number in (1, 2, 3))
    run = Run(parts, meter, data, Columns(keys=("customer_external_id", "idd")), kind="ndjson")
    assert run.counts == (0, 0, 3)
    assert "idd" in run.rejected[1]


def test_keys_of_two_meters_do_not_touch(parts: Services, meter: Meter) -> None:
    other = make_meter(parts, "other")
    data = f"{HEADER}\na,{WHEN},1,k\n"
    assert Run(parts, meter, data).counts == (1, 0, 0)
    assert Run(parts, other, data).counts == (1, 0, 0)


def test_every_batch_arrives_when_it_is_stored(parts: Services, meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the import began: an answer as of an instant in between would change with the next batch."""
    monkeypatch.setattr(importer, "BATCH", 2)
    begun = parts.clock()
    Run(parts, meter, csv_of(6))
    events = [row.event for row in parts.engine.log([meter], Query(EVER), order="asc").rows]
    arrivals = sorted({event.ingested_at for event in events})
    assert len(arrivals) == 3
    assert begun < arrivals[0]
    assert parts.store.events.seq_at(arrivals[1]) == 4
