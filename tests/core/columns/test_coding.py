"""Dictionary codes of metadata: the same text has the same code for ever, and what is absent has none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns.coding import MOST_KEYS, Coder, Dictionary, value_text
from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.types import MISSING, Codes
from tests.generated import examples

PLAN = ("plan", "user_id")

metas = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {}, optional={key: st.sampled_from(["a", "b", "c", None, 1, "1"]) for key in ("plan", "user_id", "other")}
    ),
)


def frame(meta: dict[str, Codes], rows: int) -> Frame:
    return Frame(
        np.arange(rows, dtype=np.int64),
        np.arange(rows, dtype=np.int64),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.int32),
        meta,
    )


def coded(coder: Coder, rows: Sequence[dict[str, Any] | None]) -> Frame:
    return frame(coder.encode([None if row is None else json.dumps(row) for row in rows]), len(rows))


def counted_text(row: dict[str, Any] | None) -> str | None:
    texts = (value_text((row or {}).get(key)) for key in PLAN)
    return next((found for found in texts if found is not None), None)


@examples(100)
@given(st.lists(metas, max_size=20), st.lists(metas, max_size=20))
def test_a_code_stands_for_the_text_that_was_sent(first: list[Any], later: list[Any]) -> None:
    """Also for rows coded earlier, after a dictionary has grown."""
    coder = Coder(json.loads)
    parts = [(rows, coded(coder, rows)) for rows in (first, later)]
    for rows, part in parts:
        for key in ("plan", "user_id", "other"):
            values = [*coder.dictionaries[key].values, None] if key in coder.dictionaries else [None]
            found = [values[code] for code in part.codes(key).tolist()]
            assert found == [value_text((row or {}).get(key)) for row in rows]


@examples(100)
@given(st.lists(metas, max_size=12), st.lists(metas, max_size=12), st.lists(metas, max_size=12))
def test_counted_codes_are_equal_exactly_where_the_counted_texts_are(
    first: list[Any], second: list[Any], between: list[Any]
) -> None:
    """Over all parts together: the first key that a row has counts, whichever keys the other rows of its part have."""
    coder = Coder(json.loads)
    parts = [coded(coder, first), coded(coder, second)]
    coded(coder, between)  # dictionaries grow after the parts were made
    codes = np.concatenate(coder.counted(parts, PLAN)).tolist()
    texts = [counted_text(row) for row in (*first, *second)]
    assert [code < 0 for code in codes] == [found is None for found in texts]
    pairs = {(code, found) for code, found in zip(codes, texts, strict=True) if found is not None}
    assert len(pairs) == len({code for code, _ in pairs}) == len({found for _, found in pairs})


def test_a_part_that_has_only_the_fallback_key_is_counted_with_the_others() -> None:
    """A value under user_id is not taken for the value of the same code under the property."""
    coder = Coder(json.loads)
    old = coded(coder, [{"plan": "a"}, {"plan": "b"}])
    new = coded(coder, [{"user_id": "x"}, {"user_id": "b"}])
    first, second = coder.counted([old, new], PLAN)
    assert second[1] == first[1]
    assert len({*first.tolist(), *second.tolist()}) == 3


def test_rows_without_any_counted_key_are_missing() -> None:
    (found,) = Coder(json.loads).counted([frame({}, 3)], PLAN)
    assert found.tolist() == [MISSING] * 3


def test_values_are_told_apart_by_their_text() -> None:
    """A string as sent, anything else as JSON; null counts as absent."""
    assert value_text("1") == value_text(1) == "1"
    assert value_text(True) == "true"
    assert value_text({"b": 1, "a": [None, "ü"]}) == '{"a":[null,"ü"],"b":1}'
    assert value_text(None) is None
    assert value_text("") == ""


def test_only_so_many_keys_are_coded_unless_a_meter_needs_one() -> None:
    coder = Coder(json.loads)
    coder.encode([json.dumps({f"key-{number}": "v"}) for number in range(3 * MOST_KEYS)])
    assert len(coder.dictionaries) == MOST_KEYS
    assert "late" not in coder.encode(['{"late":"v"}'])
    coder.needed = frozenset({"late"})
    assert coder.encode(['{"late":"v"}'])["late"].tolist() == [0]
    assert len(coder.dictionaries) == MOST_KEYS + 1


def test_a_dictionary_gives_codes_in_order_of_first_sight() -> None:
    found = Dictionary(["a", "b"])
    assert [found.code(value) for value in ("b", "c", "a", "c")] == [1, 2, 0, 2]
    assert found.find("d") == MISSING
    assert found.values == ["a", "b", "c"]


def test_a_coder_goes_on_from_saved_dictionaries() -> None:
    coder = Coder(json.loads, {"plan": ["a", "b"]})
    assert coder.encode(['{"plan":"b"}', '{"plan":"z"}', None])["plan"].tolist() == [1, 2, MISSING]


@examples(100)
@given(st.lists(metas, max_size=20), st.lists(st.sampled_from(["a", "b", "1", "never"]), max_size=3))
def test_rows_with_finds_the_rows_whose_text_is_one_of_the_values(rows: list[Any], values: list[str]) -> None:
    coder = Coder(json.loads)
    found = coder.rows_with(coded(coder, rows), "plan", values).tolist()
    assert found == [value_text((row or {}).get("plan")) in values for row in rows]
