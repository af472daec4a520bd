"""What is decided by one look is decided as the rules decide it one by one: the same value, the same refusal."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from fluxrate.core import amounts, cloudevents, drafts, instants, text
from fluxrate.core.drafts import Draft
from fluxrate.core.errors import FluxrateError
from fluxrate.core.model import event_id, seq_of
from tests.generated import examples

MARKS = st.sampled_from("0123456789.-+:TtZz ,eE_٣²\0é\u2028\ud800")


def verdict(judge: Callable[..., Any], *arguments: Any) -> object:
    """What came out of it: the value, or the kind and the sentence of the refusal."""
    try:
        return judge(*arguments)
    except FluxrateError as refused:
        return type(refused), refused.detail, refused.field


def changed(draw: st.DrawFn, right: str) -> str:
    """The text with up to three characters put in, taken out or replaced."""
    for _ in range(draw(st.integers(0, 3))):
        at, kept = draw(st.integers(0, len(right))), draw(st.integers(0, 1))
        right = right[:at] + draw(st.one_of(st.just(""), MARKS)) + right[at + kept :]
    return right


@st.composite
def numbers(draw: st.DrawFn) -> str:
    return changed(draw, draw(st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", fullmatch=True)))


@st.composite
def times(draw: st.DrawFn) -> str:
    moment = draw(st.datetimes()).isoformat(timespec=draw(st.sampled_from(("seconds", "milliseconds", "microseconds"))))
    return changed(draw, moment + draw(st.sampled_from(("Z", "Z", "Z", "+02:00", "-23:59", "+02:60", "", "z"))))


@examples(400)
@given(numbers(), st.integers(0, 18))
@example("9223372036854775807", 0)
@example("9999999999999999999", 0)
@example("9.99999999999999999", 1)
@example("00000000000000000.5", 1)
@example("1.", 6)
def test_quantities(sent: str, decimals: int) -> None:
    assert verdict(amounts.scale_text, sent, decimals) == verdict(amounts._scaled_text, sent, decimals, "quantity")
    number = verdict(amounts._scaled_number, sent, decimals, "quantity")
    assert verdict(amounts.scale_json_number, sent, decimals) == number


@examples(600)
@given(times())
@example("2025-01-15T10:30:60Z")
@example("2025-02-30T10:30:00Z")
@example("2025-01-15T24:00:00Z")
@example("1899-12-31T23:59:59Z")
@example("3000-01-01T00:00:00Z")
@example("2025-01-15T10:30:00.12+Z")
@example("2025-01-15T10:30:00,123Z")
@example("2025-01-15T10:30:00.1２3Z")
@example("2025-W03-3T10:30:00Z")
def test_times(sent: str) -> None:
    assert verdict(instants.parse_instant, sent) == verdict(instants._parsed, sent, "UTC", "timestamp")


@examples(300)
@given(st.text(st.one_of(st.characters(codec=None), st.sampled_from(" ~!\x7f\0\xa0")), max_size=12))
@example("a ")
@example(" a")
@example("a b")
@example("a" * 10)
@example("a" * 11)
def test_identifiers(sent: str) -> None:
    assert verdict(lambda: text.identifier(sent, "key", longest=10)) == verdict(text._judged, sent, "key", 10)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
metadata = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), values, max_size=5)


@examples(300)
@given(metadata)
@example({"a": "\0"})
@example({"a": "\\u0000"})
@example({"a": "\\\0"})
@example({"a": 10**25})
@example({"a": "x" * drafts.METADATA_BYTES})
@example({"a": "x" * (drafts.METADATA_BYTES - len('{"a":""}'))})
@example({str(number): 1 for number in range(drafts.METADATA_KEYS)})
@example({str(number): 1 for number in range(drafts.METADATA_KEYS + 1)})
@example(json.loads('{"a":' * 16 + "1" + "}" * 16))
@example(json.loads('{"a":' * 17 + "1" + "}" * 17))
@example(json.loads('{"a":' + "[" * 900 + "]" * 900 + "}"))
def test_metadata(sent: dict[str, Any]) -> None:
    expected = None if not sent else verdict(drafts._judged_text, sent)
    assert verdict(drafts.metadata_text, sent) == expected


@examples(200)
@given(st.integers(1, 2**53), st.integers(-(2**40), 2**62))
def test_ids(seq: int, ingested_at: int) -> None:
    ms = min(max(ingested_at // 1000, 0), (1 << 48) - 1)
    assert event_id(seq, ingested_at) == str(uuid.UUID(int=ms << 80 | 0x7 << 76 | 0b10 << 62 | seq))
    assert seq_of(event_id(seq, ingested_at)) == seq


EVENTS = st.fixed_dictionaries(
    {"meter_name": st.just("calls"), "customer_external_id": st.just("a")},
    optional={
        "quantity": st.sampled_from([1, "1.5", None, [], True]),
        "timestamp": st.sampled_from(["2025-01-01", 5]),
        "metadata": st.sampled_from([None, {}, {"a": [{}]}, [], "x"]),
        "unknown": st.just(1),
    },
)
ATTRIBUTES = st.fixed_dictionaries(
    {"id": st.sampled_from(["1", "", 1]), "source": st.just("/s"), "type": st.just("calls")},
    optional={
        "specversion": st.sampled_from(["1.0", "1.0", "1.0", "0.3", 1]),
        "subject": st.sampled_from(["acme", "", None]),
        "time": st.sampled_from(["2025-01-01", None, 5]),
        "data": st.sampled_from([None, {}, {"a": 1}, [], "x"]),
        "data_base64": st.sampled_from([None, "AA=="]),
        "datacontenttype": st.sampled_from(["application/json", "text/xml", None]),
        "traceparent": st.just("00"),
        "meter_name": st.just("calls"),
    },
)


def shown(items: Any) -> list[object]:
    return [
        msgspec.json.encode({name: getattr(item, name) for name in Draft.__struct_fields__ if name != "quantity"})
        + bytes(item.quantity)
        if isinstance(item, Draft)
        else verdict(lambda item=item: (_ for _ in ()).throw(item))
        for item in items
    ]


@examples(200)
@given(st.lists(EVENTS | st.sampled_from([5, None, [], {}]), max_size=5))
def test_a_batch_is_read_as_each_of_its_events(sent: list[Any]) -> None:
    single = shown(drafts._item(json.dumps(item).encode()) for item in sent)
    assert shown(drafts.decode_many(json.dumps(sent).encode(), 100)) == single
    assert shown(drafts.decode_lines("\n".join(map(json.dumps, sent)).encode(), 100)) == single


@examples(200)
@given(st.lists(ATTRIBUTES | st.sampled_from([5, None, [], {}]), max_size=4))
def test_cloudevents_are_read_as_each_of_them(sent: list[Any]) -> None:
    single = shown(cloudevents._item(json.dumps(item).encode()) for item in sent)
    assert shown(cloudevents.decode_batch(json.dumps(sent).encode(), 100)) == single
    for item, expected in zip(sent, single, strict=True):
        assert shown(cloudevents.decode_event(json.dumps(item).encode())) == [expected]


PARTS = st.text(st.sampled_from("a|\\"), max_size=4)


@examples(400)
@given(st.tuples(PARTS, PARTS), st.tuples(PARTS, PARTS))
@example(("a|", "b"), ("a", "|b"))
@example(("a\\", "|b"), ("a", "\\|b"))
def test_two_pairs_never_make_the_same_key(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (drafts.join_key(one) == drafts.join_key(other)) == (one == other)
