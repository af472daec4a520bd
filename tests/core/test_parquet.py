"""Parquet files: each type of column as the event it stands for, out and in again to the last digit, and refusals."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as arrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet as reference

from fluxrate.core import parquet, rows
from fluxrate.core.errors import ConfigError, Malformed
from fluxrate.core.importer import Columns, Importer
from fluxrate.core.model import COMMAND_LINE
from fluxrate.core.query import Query
from fluxrate.core.services import Services
from tests.instances import EVER, NOW, make_meter, new, open_instance

WHEN = datetime(2025, 3, 1, 12, 30, 15, 123456, UTC)
TEXT = "2025-03-01T12:30:15.123456Z"


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Services]:
    made = open_instance(tmp_path / "instance")
    yield made
    made.close()


def file_of(**columns: Any) -> io.BytesIO:
    """A file of these columns."""
    file = io.BytesIO()
    reference.write_table(arrow.table(columns), file)
    file.seek(0)
    return file


def cells(column: Any) -> list[object]:
    """What a column's values are read as; raw JSON as its text in a tuple."""
    _, found = rows.read(file_of(c=column), "parquet")
    values = [line.row["c"] for line in found]
    return [(bytes(value).decode(),) if isinstance(value, msgspec.Raw) else value for value in values]


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        (arrow.array(["a", None, "é"]), ["a", None, "é"]),
        (arrow.array(["a", None], arrow.large_string()), ["a", None]),
        (arrow.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (arrow.array([2**63 - 1, None, -1]), [("9223372036854775807",), None, ("-1",)]),
        (arrow.array([2**64 - 1], arrow.uint64()), [("18446744073709551615",)]),
        (arrow.array([0.1, 1e-7, float("nan")]), [("0.1",), ("1e-07",), ("nan",)]),
        (arrow.array([True, None, False]), [("true",), None, ("false",)]),
        (arrow.array([Decimal("0.0001"), Decimal("12345678901234567890.5")]), ["0.0001", "12345678901234567890.5000"]),
        (arrow.array([WHEN], arrow.timestamp("us", "UTC")), [TEXT]),
        (arrow.array([WHEN], arrow.timestamp("us", "Europe/Berlin")), [TEXT]),
        (arrow.array([WHEN.replace(tzinfo=None)], arrow.timestamp("us")), [TEXT]),
        (arrow.array([WHEN.replace(microsecond=0), None], arrow.timestamp("s", "UTC")), ["2025-03-01T12:30:15Z", None]),
        (arrow.array([1_740_832_215_123_456_999], arrow.timestamp("ns")), [TEXT]),
        (arrow.array([2**62], arrow.timestamp("us")), [f"{2**62} microseconds"]),
        (arrow.array([date(2025, 3, 1)]), ["2025-03-01"]),
        (arrow.array([{"a": 1, "b": None}, None]), [('{"a":1}',), None]),
        (arrow.array([[1, 2], []]), [("[1,2]",), ("[]",)]),
        (arrow.nulls(2), [None, None]),
    ],
    ids=str,
)  # fmt: skip
def test_every_type_of_column(column: Any, wanted: list[object]) -> None:
    """Text is text, numbers are their digits, times are UTC to the microsecond, whatever else is JSON."""
    assert cells(column) == wanted


def test_other_columns_are_left_out() -> None:
    """What no part of an event can be is not there, so whoever names it hears that."""
    header, _ = rows.read(file_of(a=["x"], b=[b"\xff"], c=[time(1, 2)], d=[timedelta(1)]), "parquet")
    assert header == ["a"]
    with pytest.raises(Malformed, match="no column 'b'"):
        Columns(customer="a", keys=("b",)).check(header or ())


def test_rows_are_events(parts: Services) -> None:
    """Rows go in as those of a CSV file do: exact, with their number where they are refused, and once."""
    meter = make_meter(parts, decimals=2)
    file = file_of(
        customer_external_id=["acme", "acme", "\ud7ff", ""],
        timestamp=arrow.array([WHEN] * 4, arrow.timestamp("ms", "UTC")),
        quantity=arrow.array([Decimal("1.250"), Decimal("1.255"), Decimal("92233720368547758.070"), Decimal(1)]),
        idempotency_key=[1, 2, 3, 4],
        metadata=[{"region": "eu", "n": 1}, None, {"region": None, "n": None}, None],
    ).getvalue()
    for accepted, duplicates in ((2, 0), (0, 2)):
        refused: list[tuple[int, str]] = []
        _, lines = rows.read(io.BytesIO(file), "parquet")
        importer = Importer(parts.ingest, meter, Columns(), NOW)
        *_, report = importer.run(lines, "f", lambda *told, kept=refused: kept.append(told))
        assert (report.accepted, report.duplicates, report.rejected) == (accepted, duplicates, 2)
        assert [line for line, _ in refused] == [2, 4]
        assert "decimal places" in refused[0][1]
    found = parts.store.events.by_seqs(range(9)).values()
    assert [(one.quantity, one.idempotency_key, one.metadata) for one in found] == [
        (125, "1", '{"region":"eu","n":1}'),
        (2**63 - 1, "3", None),
    ]
    assert {one.timestamp for one in found} == {int(WHEN.timestamp() * 1_000) * 1_000}


@given(st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=5), st.integers(0, 18), st.integers(0, 18))
def test_quantities_are_exact(amounts: list[int], decimals: int, more: int) -> None:
    """The largest quantity of the least exact meter beside the most exact one: each to its last digit."""
    schema = parquet._schema(arrow, max(decimals, more))
    kept = [Decimal(one).scaleb(-decimals) for one in amounts]
    assert arrow.array(kept, schema.field("quantity").type).to_pylist() == kept


def test_what_goes_out_comes_in_again(parts: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of several row groups has every event in order, typed, and another instance takes it as it is."""
    monkeypatch.setattr(parquet, "GROUP_ROWS", 1_000)
    meter, other = make_meter(parts, decimals=6), make_meter(parts, "other")
    events = [new(meter, NOW + i, 10**12 + i, f"c{i % 7}", key=f"k{i}", metadata={"n": i}) for i in range(2_500)]
    parts.ingest.store([*events, new(other, NOW + 9_999, 2**63 - 1)])
    parts.ingest.void(parts.store.events.get(1).id, "wrong", COMMAND_LINE)  # type: ignore[union-attr]
    parts.live.load()
    _, pieces = parts.engine.every((meter, other), Query(EVER), "asc")
    file = io.BytesIO(b"".join(parquet.written(pieces, (meter, other))))
    opened = reference.ParquetFile(file)
    assert opened.metadata.num_row_groups == 3
    table = opened.read().to_pylist()
    assert [row["quantity"] for row in table] == [*(Decimal(10**12 + i).scaleb(-6) for i in range(2_500)), 2**63 - 1]
    assert [row["timestamp"] for row in table][:2] == [_instant(NOW), _instant(NOW + 1)]
    assert [(row["voided"], row["void_reason"]) for row in table][:2] == [(True, "wrong"), (False, None)]
    again = open_instance(tmp_path / "again")
    into = make_meter(again, decimals=6)
    header, lines = rows.read(file, "parquet")
    columns = Columns(keys=("meter_name", "id"), meta=("unit",))
    columns.check(header or ())
    refused: list[str] = []
    importer = Importer(again.ingest, into, columns, NOW)
    *_, report = importer.run(lines, "f", lambda _, why: refused.append(why))
    # What the less exact meter held does not fit this one.
    assert (report.accepted, len(refused)) == (2_500, 1)
    kept = again.store.events.by_seqs(range(1, 2_501)).values()
    assert [(one.timestamp, one.quantity) for one in kept] == [(one.timestamp, one.quantity) for one in events]
    again.close()


def test_nothing_to_write_is_a_file_too(parts: Services) -> None:
    """No event at all: the columns, and no row."""
    meter = make_meter(parts)
    opened = reference.ParquetFile(io.BytesIO(b"".join(parquet.written((), (meter,)))))
    assert (opened.metadata.num_rows, "quantity" in opened.schema_arrow.names) == (0, True)


@pytest.mark.parametrize("damage", ["empty", "no parquet", "cut short", "a page"])
def test_a_damaged_file_is_refused(damage: str) -> None:
    """A sentence says that it is no Parquet file, or is damaged; never a wrong row."""
    whole = file_of(a=[f"{number}" * 50 for number in range(20_000)]).getvalue()
    bodies = {"empty": b"", "no parquet": b"a,b\n1,2\n", "cut short": whole[:-20]}
    body = bodies.get(damage, whole[:40] + b"\xff" * 4_000 + whole[4_040:])
    with pytest.raises(Malformed, match="Parquet file"):
        list(rows.read(io.BytesIO(body), "parquet")[1])


def test_gzip_is_undone_and_its_damage_told() -> None:
    """As with the other kinds; a file that can only be read forwards is copied first."""
    packed = gzip.compress(file_of(a=["x", "y"]).getvalue())
    assert [line.row for line in rows.read(io.BytesIO(packed), "parquet")[1]] == [{"a": "x"}, {"a": "y"}]
    with pytest.raises(Malformed, match="cut short"):
        rows.read(io.BytesIO(packed[:-9]), "parquet")


def test_a_column_twice_is_refused() -> None:
    """As in a CSV header: which of them was meant, nobody knows."""
    file = io.BytesIO()
    reference.write_table(arrow.Table.from_arrays([arrow.array([1]), arrow.array([2])], names=["a", "a"]), file)
    with pytest.raises(Malformed, match="twice"):
        rows.read(file, "parquet")


def test_without_pyarrow_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: everything else works without it."""

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(parquet, "import_module", missing)
    with pytest.raises(ConfigError, match=r"fluxrate\[parquet\]"):
        rows.read(io.BytesIO(), "parquet")


def _instant(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
