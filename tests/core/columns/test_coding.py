"""Dictionary codes of metadata: the same text has the same code for ever, and what is absent has none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns import coding
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
def test_codes_of_values_find_the_rows_whose_text_is_one_of_them(rows: list[Any], values: list[str]) -> None:
    """Rising and each once; none for a value or a key that nobody sent."""
    coder = Coder(json.loads)
    codes = coded(coder, rows).codes("plan").tolist()
    found = coder.find("plan", values)
    assert list(found) == sorted(set(found))
    assert [code in found for code in codes] == [value_text((row or {}).get("plan")) in values for row in rows]
    assert coder.find("unheard of", values) == ()
    assert [coder.text("plan", code) for code in codes] == [value_text((row or {}).get("plan")) for row in rows]


def test_what_stands_in_nested_objects_has_a_dotted_path() -> None:
    """The object itself is a value too, and a key that is spelled like a path wins."""
    coder = Coder(json.loads)
    rows: list[dict[str, Any]] = [
        {"a": {"b": {"c": 1}, "d": None}},
        {"a.b": "own", "a": {"b": "inner"}},
        {"a": {"b": "inner"}},
    ]
    found = coded(coder, rows)
    texts = {key: [coder.text(key, code) for code in found.codes(key).tolist()] for key in ("a", "a.b", "a.b.c", "a.d")}
    assert texts == {
        "a": ['{"b":{"c":1},"d":null}', '{"b":"inner"}', '{"b":"inner"}'],
        "a.b": ['{"c":1}', "own", "inner"],
        "a.b.c": ["1", None, None],
        "a.d": [None, None, None],
    }


class TestBounds:
    """Strangers write metadata: what is coded of it stays within bounds, and what is not is said to be passed over."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(coding, "MOST_VALUES", 10)
        monkeypatch.setattr(coding, "MOST_KEYS", 4)

    def test_the_key_with_the_most_values_is_closed(self) -> None:
        """And only it; what was coded of the others stays true, and it is coded no more."""
        coder = Coder(json.loads)
        sent(coder, [{"plan": "a"}, {"plan": "b"}])
        assert sent(coder, [{"plan": "b", "trace": str(number)} for number in range(9)]) == {"plan"}
        assert (coder.closed, set(coder.dictionaries)) == ({"trace"}, {"plan"})
        assert coded(coder, [{"plan": "b", "trace": "1"}]).codes("plan").tolist() == [1]
        assert sent(coder, [{"trace": "1"}]) == set()

    def test_so_many_values_that_all_fit_close_nothing(self) -> None:
        coder = Coder(json.loads)
        sent(coder, [{"trace": str(number)} for number in range(10)])
        assert (coder.closed, len(coder.dictionaries["trace"].values)) == (set(), 10)
        sent(coder, [{"plan": "a"}])
        assert (coder.closed, set(coder.dictionaries)) == ({"trace"}, {"plan"})

    def test_as_many_keys_are_closed_as_it_takes(self) -> None:
        coder = Coder(json.loads)
        rows = [{"one": str(number), "two": str(number % 12), "three": str(number % 3)} for number in range(20)]
        assert sent(coder, rows) == {"three"}
        assert coder.closed == {"one", "two"}

    def test_a_key_that_a_meter_needs_is_never_closed(self) -> None:
        coder = Coder(json.loads)
        assert coder.need({"seat"})
        sent(coder, [{"seat": str(number), "plan": "a"} for number in range(50)])
        assert len(coder.dictionaries["seat"].values) == 50
        assert coder.closed == {"plan"}

    def test_saved_values_are_in_the_order_of_their_codes_and_none_for_a_closed_key(self) -> None:
        """A coder that goes on from them passes the same keys over and gives the same codes."""
        coder = Coder(json.loads)
        sent(coder, [{"plan": value, "trace": f"{value}{number}"} for number in range(9) for value in "ba"])
        assert coder.saved() == {"plan": ["b", "a"], "trace": None}
        again = Coder(json.loads, coder.saved())
        assert again.saved() == coder.saved()
        assert again.closed == {"trace"}
        assert coded(again, [{"plan": "a"}, {"plan": "c", "trace": "x"}]).codes("plan").tolist() == [1, 2]
        assert coder.saved()["plan"] == ["b", "a"]

    def test_what_is_saved_does_not_change_with_the_coder(self) -> None:
        coder = Coder(json.loads)
        sent(coder, [{"plan": "a"}])
        saved = coder.saved()
        sent(coder, [{"plan": "b", "other": "c"}])
        assert saved == {"plan": ["a"]}

    def test_keys_that_are_not_coded_are_passed_over(self) -> None:
        """One that nobody sent is not, as long as there is room for it."""
        coder = Coder(json.loads)
        assert not coder.passes_over("plan")
        sent(coder, [{"plan": "a", "trace": str(number)} for number in range(12)])
        assert [coder.passes_over(key) for key in ("plan", "trace", "new")] == [False, True, False]
        sent(coder, [{"three": "a", "four": "b", "five": "c"}])
        assert [coder.passes_over(key) for key in ("plan", "trace", "three", "four")] == [False, True, False, False]
        assert [coder.passes_over(key) for key in ("five", "new")] == [True, True]

    def test_a_needed_key_has_a_dictionary_before_its_first_value(self) -> None:
        coder = Coder(json.loads)
        assert coder.need({"seat"})
        sent(coder, [{f"key-{number}": "v"} for number in range(20)])
        assert not coder.passes_over("seat")
        assert coder.find("seat", ["1"]) == ()
        assert coded(coder, [{"seat": "1"}]).codes("seat").tolist() == [0]

    def test_a_key_that_was_passed_over_is_not_needed_just_so(self) -> None:
        """Nothing changes, neither what is coded nor what is needed; one that is coded already can be."""
        coder = Coder(json.loads)
        assert coder.need({"key-1"})
        sent(coder, [{f"key-{number}": "v" for number in range(9)}])
        before = coder.saved()
        assert not coder.need({"key-1", "key-7"})
        assert (coder.saved(), set(coder.needed)) == (before, {"key-1"})
        assert sent(coder, [{"key-7": "v"}]) == set()
        assert coder.need(set(coder.dictionaries))
        assert coder.saved() == before

    def test_a_closed_key_that_a_later_meter_needs_makes_all_be_coded_again(self) -> None:
        """Its codes were given up: new ones would stand for other values than those in older columns."""
        coder = Coder(json.loads)
        sent(coder, [{"trace": str(number)} for number in range(12)])
        before = coder.saved()
        assert not coder.need({"trace"})
        assert (coder.saved(), set(coder.needed)) == (before, set())

    def test_the_codes_of_a_needed_key_are_found_again_after_a_restart(self) -> None:
        """Whether it was closed before or not, a code stands for the value it stood for when it was saved."""
        coder = Coder(json.loads)
        sent(coder, [{"trace": str(number)} for number in range(12)])
        if not coder.need({"trace"}):
            coder = Coder(json.loads)
            assert coder.need({"trace"})
        code = int(coded(coder, [{"trace": "a"}]).codes("trace")[0])
        again = Coder(json.loads, coder.saved())
        assert again.need({"trace"})
        assert again.text("trace", code) == "a"


def sent(coder: Coder, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Code the rows in one go, and give the keys that were coded."""
    return set(coded(coder, rows).meta)
