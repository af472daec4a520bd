"""Query parameters read without their schema are what the schema makes of them, of every schema there is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields, pre_load, validate

from fluxrate import app as everything
from fluxrate.http.bodies import _instance
from fluxrate.http.parameters import EventListArgs, PageArgs, WholeField
from fluxrate.http.texts import Texts
from fluxrate.plugins.plans.schemas import PlanCreateSchema
from fluxrate.plugins.usage.schemas import AggregateArgs, UsageArgs
from tests.generated import examples


def every(schema: type[Schema]) -> Iterator[type[Schema]]:
    for one in schema.__subclasses__():
        yield from every(one)
        if one.__module__.startswith("fluxrate."):
            yield one


SCHEMAS = sorted(set(every(Schema)), key=lambda schema: (schema.__module__, schema.__name__))
texts = st.one_of(
    st.sampled_from(["", "1", "true", "2025-01-01", "Europe/Berlin", "a,b", " x ", "é", "null"]), st.text()
)


def sent_to(data: st.DataObject, schema: Schema) -> dict[str, object]:
    """Some of the parameters, perhaps one that is unknown, as the query string gives them."""
    names = data.draw(st.lists(st.sampled_from([*schema.fields, "wrong"]), unique=True))
    listed = {name for name, field in schema.fields.items() if isinstance(field, fields.List)}
    return {name: data.draw(st.lists(texts, min_size=1, max_size=3) if name in listed else texts) for name in names}


@examples(300)
@given(st.sampled_from(SCHEMAS), st.data())
def test_what_is_read_without_the_schema_is_what_it_would_have_read(kind: type[Schema], data: st.DataObject) -> None:
    schema = _instance(kind)
    sent = sent_to(data, schema)
    found = Texts(schema).read(sent)
    if found is not None:
        assert found == schema.load(sent)
        assert [type(value) for value in found.values()] == [type(schema.load(sent)[name]) for name in found]


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        (UsageArgs, {"start_date": "2025-01-01", "group_by": "day", "customer_id": ["a", "b"]}),
        (EventListArgs, {"min_quantity": "1", "customer_id": ["a"]}),
        (AggregateArgs, {"meter_id": "calls"}),
        (PageArgs, {}),
        (PlanCreateSchema, {"name": "a", "currency": "EUR", "plan_type": "flat"}),
    ],
)
def test_plain_parameters_need_no_schema(schema: type[Schema], sent: dict[str, object]) -> None:
    assert Texts(_instance(schema)).read(sent) == _instance(schema).load(sent)


@pytest.mark.parametrize(
    ("schema", "sent"),
    [(UsageArgs, {"group": "day"}), (AggregateArgs, {}), (PageArgs, {"page": "2"}), (PageArgs, {"page": "-1"})],
)
def test_what_is_unknown_missing_or_no_text_is_left_to_the_schema(
    schema: type[Schema], sent: dict[str, object]
) -> None:
    assert Texts(_instance(schema)).read(sent) is None


class Special(Schema):
    few = fields.String(validate=validate.Length(1, 2))
    other = fields.String(data_key="others")
    numbers = fields.List(WholeField(1, 3))


@pytest.mark.parametrize("sent", [{"few": "abc"}, {"other": "a"}, {"numbers": ["1"]}])
def test_a_parameter_that_is_more_than_a_text_is_left_to_the_schema(sent: dict[str, object]) -> None:
    assert Texts(Special()).read(sent) is None


def test_every_schema_is_of_the_kind_that_these_tests_look_at() -> None:
    """None does something of its own before or after reading, which would be passed over."""
    assert everything.BUILT_IN
    assert len(SCHEMAS) > 20

    class Own(Schema):
        name = fields.String()

        @pre_load
        def change(self, sent: dict[str, object], **more: object) -> dict[str, object]:
            raise ValidationError("changed")

    hooked = [kind for kind in (*SCHEMAS, Own) if any(kind()._hooks.values())]
    assert hooked == [Own]
