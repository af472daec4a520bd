"""Rows out of files: each with the line it begins on, or the reason why there is none."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import msgspec
import pyarrow as arrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet as reference

from fluxrate.core import rows
from fluxrate.core.errors import FluxrateError, Malformed
from tests.generated import examples

BOM = b"\xef\xbb\xbf"


def plain(row: rows.Row | FluxrateError) -> Any:
    """A row as Python values, or the reason as a text."""
    if isinstance(row, FluxrateError):
        return row.detail
    return {key: msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value for key, value in row.items()}


def csv(data: bytes) -> tuple[list[str] | None, list[tuple[int, Any]]]:
    header, lines = rows.read(io.BytesIO(data), "csv")
    return header, [(line.number, plain(line.row)) for line in lines]


def ndjson(data: bytes) -> list[tuple[int, Any]]:
    header, lines = rows.read(io.BytesIO(data), "ndjson")
    assert header is None
    return [(line.number, plain(line.row)) for line in lines]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("events.csv", "csv"),
        ("events.CSV.gz", "csv"),
        ("events.ndjson", "ndjson"),
        ("a.b.jsonl.gz", "ndjson"),
        ("events", None),
        ("events.txt", None),
        ("-", None),
        (".gz", None),
    ],
)
def test_a_file_name_says_what_it_is(name: str, kind: str | None) -> None:
    assert rows.format_of(name) == kind


PARQUET = io.BytesIO()
reference.write_table(arrow.table({"a": ["1"]}), PARQUET)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "data",
    [b"a\n1\n", BOM + b"a\r\n1", b'"a"\n1', b'{"a":"1"}\n', BOM + b'\n \n{"a":"1"}', PARQUET.getvalue()],
)
def test_the_first_bytes_say_what_a_nameless_file_is(data: bytes, packed: bool) -> None:
    """Of each kind the same row is read as with its kind said, packed or not."""
    _, lines = rows.read(io.BytesIO(gzip.compress(data) if packed else data), None)
    assert [plain(line.row) for line in lines] == [{"a": "1"}]


def test_nothing_is_a_csv_file_without_a_header() -> None:
    """So is a gzip file that ends before its first byte."""
    for data, said in ((b"", "header"), (gzip.compress(b"")[:-12], "cut short")):
        with pytest.raises(Malformed, match=said):
            rows.read(io.BytesIO(data), None)


# CSV


def test_a_csv_row_has_the_columns_of_the_header() -> None:
    assert csv(b"a,b\n1,2\n3,\n") == (["a", "b"], [(2, {"a": "1", "b": "2"}), (3, {"a": "3", "b": ""})])


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("last", [b"", b"end"])
def test_lines_may_end_as_they_like_and_the_last_need_not(end: bytes, last: bytes) -> None:
    data = end.join([b"a,b", b"1,2", b"3,4"]) + (end if last else b"")
    assert csv(data)[1] == [(2, {"a": "1", "b": "2"}), (3, {"a": "3", "b": "4"})]


def test_a_row_whose_quoted_cell_has_line_breaks_stands_on_its_first_line() -> None:
    """And those after it are counted on from its last one."""
    data = b'a,b\n1,"x\ny\r\nz"\n2,"q ""r"", s"\n\n\n3\n4,5\n'
    assert csv(data)[1] == [
        (2, {"a": "1", "b": "x\ny\r\nz"}),
        (5, {"a": "2", "b": 'q "r", s'}),
        (8, "The row has 2 cells, as the header, but 1 came."),
        (9, {"a": "4", "b": "5"}),
    ]


def test_a_header_may_run_over_several_lines_too() -> None:
    assert csv(b'"a\nb",c\n1,2\n') == (["a\nb", "c"], [(3, {"a\nb": "1", "c": "2"})])


def test_a_row_of_too_few_or_too_many_cells_is_refused_and_the_rest_goes_on() -> None:
    found = csv(b"a,b\n1\n1,2,3\n4,5\n")[1]
    assert [number for number, _ in found] == [2, 3, 4]
    assert found[0][1] == "The row has 2 cells, as the header, but 1 came."
    assert found[1][1] == "The row has 2 cells, as the header, but 3 came."
    assert found[2][1] == {"a": "4", "b": "5"}


def test_a_row_that_is_no_csv_is_refused_and_the_rest_goes_on() -> None:
    found = csv(b'a,b\n"1"2,3\n4,5\n')[1]
    assert found[0][0] == 2
    assert "no CSV" in found[0][1]
    assert found[1] == (3, {"a": "4", "b": "5"})


def test_a_quote_that_never_ends_is_reported_where_it_began() -> None:
    found = csv(b'a,b\n1,2\n3,"4\n5,6\n')[1]
    assert found[0] == (2, {"a": "1", "b": "2"})
    assert found[1][0] == 3
    assert "no CSV" in found[1][1]


def test_a_cell_beyond_all_measure_is_refused_and_the_rest_goes_on() -> None:
    found = csv(b"a\n" + b"x" * 200_000 + b"\n1\n")[1]
    assert "no CSV" in found[0][1]
    assert found[1] == (3, {"a": "1"})


def test_a_byte_order_mark_is_no_part_of_the_first_column() -> None:
    assert csv(BOM + b"a\n1\n") == (["a"], [(2, {"a": "1"})])


def test_bytes_that_are_no_utf8_spoil_their_own_cell_only() -> None:
    """They become lone surrogates, which every check of a name refuses."""
    assert csv(b"a,b\n\xff,2\n\xc3\xbc,4\n")[1] == [(2, {"a": "\udcff", "b": "2"}), (3, {"a": "ü", "b": "4"})]


@pytest.mark.parametrize("data", [b"", gzip.compress(b"")], ids=["plain", "gzip"])
def test_a_csv_file_without_a_header_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed, match="header"):
        csv(data)


def test_a_header_that_names_a_column_twice_is_refused() -> None:
    with pytest.raises(Malformed, match="twice"):
        csv(b"a,b,a\n1,2,3\n")


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@examples(100)
@given(st.lists(st.tuples(cells, cells), max_size=8))
def test_whatever_a_csv_writer_wrote_is_read_again(written: list[tuple[str, str]]) -> None:
    quoted = ["a,b", *(f'"{x.replace(chr(34), chr(34) * 2)}","{y.replace(chr(34), chr(34) * 2)}"' for x, y in written)]
    _, found = csv("\n".join(quoted).encode())
    assert [row for _, row in found] == [{"a": x, "b": y} for x, y in written]


# NDJSON


def test_an_ndjson_row_is_one_object_and_texts_are_told_from_other_values() -> None:
    _, lines = rows.read(io.BytesIO(b'{"a":"1","b":1.50,"c":null,"d":{"x":[1]}}'), "ndjson")
    (line,) = lines
    assert not isinstance(line.row, FluxrateError)
    assert line.row["a"] == "1"
    assert line.row["b"] == msgspec.Raw(b"1.50"), "a number keeps its digits"
    assert line.row["c"] is None
    assert line.row["d"] == msgspec.Raw(b'{"x":[1]}')


@pytest.mark.parametrize(
    "bad",
    [
        b"[1]",
        b'"text"',
        b"null",
        b'{"a":1',
        b'{"a":1}{"b":2}',
        b'{"a":NaN}',
        b"{'a':1}",
        b'{"a":"\xff"}',
        b'{"\xff":1}',
        b'{"a":["\xff"]}',
        b'{"a":"\\ud800"}',
        b'{"a":"x\ty"}',
        b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b"\x00\x01",
    ],
)
def test_a_line_that_is_no_object_is_refused_and_the_rest_goes_on(bad: bytes) -> None:
    found = ndjson(b'{"a":0}\n' + bad + b'\n{"a":2}\n')
    assert found[0] == (1, {"a": 0})
    assert found[1][0] == 2
    assert isinstance(found[1][1], str)
    assert "one JSON object" in found[1][1]
    assert found[2:] == [(3, {"a": 2})]


def test_blank_lines_are_passed_over_and_counted() -> None:
    assert ndjson(b'\n{"a":1}\r\n \n\n{"a":2}') == [(2, {"a": 1}), (5, {"a": 2})]


def test_a_byte_order_mark_is_no_part_of_the_first_object() -> None:
    assert ndjson(BOM + b'{"a":1}\n{"a":2}\n') == [(1, {"a": 1}), (2, {"a": 2})]


def test_a_line_beyond_all_measure_is_one_refusal_and_later_lines_keep_their_numbers() -> None:
    long = b'{"a":"' + b"x" * 3_000_000 + b'"}'
    found = ndjson(b'{"a":1}\n' + long + b'\n{"a":3}\n' + long)
    assert [number for number, _ in found] == [1, 2, 3, 4]
    assert found[2][1] == {"a": 3}
    assert "at most 1048576 bytes" in found[1][1]
    assert "at most 1048576 bytes" in found[3][1]


def test_a_line_of_just_the_largest_size_is_read() -> None:
    text = "x" * ((1 << 20) - len('{"a":""}\n'))
    assert ndjson(b'{"a":"' + text.encode() + b'"}\n{"a":2}') == [(1, {"a": text}), (2, {"a": 2})]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | cells,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(cells, inner, max_size=3),
    max_leaves=8,
)


@examples(100)
@given(st.lists(st.dictionaries(cells, values, max_size=4), max_size=6), st.booleans())
def test_whatever_a_json_writer_wrote_is_read_again(written: list[dict[str, Any]], ascii_only: bool) -> None:
    data = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in written).encode()
    assert ndjson(data) == list(enumerate(written, 1))


# gzip


@pytest.mark.parametrize("data", [b"a,b\n1,2\n", b"a,b\n" + b"1,2\n" * 50_000], ids=["small", "large"])
def test_a_gzip_file_is_read_as_what_it_holds(data: bytes) -> None:
    """Known by its first bytes, whatever its name; several members one after another are one file."""
    assert csv(gzip.compress(data)) == csv(data)
    assert csv(gzip.compress(data[:6]) + gzip.compress(data[6:])) == csv(data)


def lines_until_damage(data: bytes, kind: str) -> tuple[int, str]:
    """How many rows came before the damage, and what was said about it."""
    count = 0
    with pytest.raises(Malformed) as refused:  # noqa: PT012 (what counts is how far it came)
        _, lines = rows.read(io.BytesIO(data), kind)
        for _line in lines:
            count += 1
    return count, refused.value.detail


@pytest.mark.parametrize(("kind", "row"), [("csv", "{0},{0}\n"), ("ndjson", '{{"a":{0}}}\n')])
def test_a_gzip_file_that_is_cut_short_gives_its_whole_rows_and_then_says_where(kind: str, row: str) -> None:
    data = ("a,b\n" if kind == "csv" else "") + "".join(row.format(number) for number in range(20_000))
    packed = gzip.compress(data.encode())
    count, said = lines_until_damage(packed[: len(packed) // 2], kind)
    assert 1_000 < count < 20_000
    assert f"from line {count + (2 if kind == 'csv' else 1)} on" in said


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_a_damaged_gzip_file_is_refused_and_never_read_wrong(kind: str) -> None:
    """Whichever byte is hit: in the header, the data, the checksum or the length."""
    data = b"".join(b'{"a":%d}\n' % number for number in range(3_000))
    packed = gzip.compress((b"a\n" if kind == "csv" else b"") + data)
    for place in (2, 12, len(packed) // 3, len(packed) // 2, len(packed) - 8, len(packed) - 2):
        hit = bytearray(packed)
        hit[place] ^= 0x5A
        assert "gzip" in lines_until_damage(bytes(hit), kind)[1]


def test_a_file_that_only_begins_like_gzip_is_refused() -> None:
    for data in (b"\x1f\x8b", b"\x1f\x8bno gzip at all"):
        assert "gzip" in lines_until_damage(data, "csv")[1]
        assert "gzip" in lines_until_damage(data, "ndjson")[1]
