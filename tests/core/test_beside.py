"""The figure beside a list of events, of every metric, judged by the reference over the events that match and count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns import index
from fluxrate.core.columns.sizes import Sizes
from fluxrate.core.model import MeterFilter
from fluxrate.core.query import Query
from tests import reference
from tests.core.worlds import World, kept, make_world, questions
from tests.generated import examples
from tests.reference import AGGREGATIONS

OWN = st.sampled_from([(), (), (MeterFilter("plan", ("a", "c")),)])


@pytest.fixture(scope="module", params=[5_000, None], ids=["blocks", "one block"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose sizes are kept in several blocks, and one where a block holds them all."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param:
            patch.setattr(index, "Sizes", lambda quantity: Sizes(quantity, 256, 16))
        made = make_world(tmp_path_factory.mktemp("world") / "instance")
        yield made
        made.parts.store.close()


@examples(80)
@given(questions(), st.sampled_from([None, False]), st.sampled_from(AGGREGATIONS), OWN)
def test_the_figure_is_that_of_the_events_that_count(
    world: World,
    question: tuple[Query, tuple[str, ...]],
    voided: bool | None,
    aggregation: str,
    own: tuple[MeterFilter, ...],
) -> None:
    query, customers = replace(question[0], voided=voided), question[1]
    meter = replace(world.meter, aggregation_type=aggregation, filters=own)
    window = query.window
    events = [
        event
        for event in kept(world, query, customers)
        if window.start <= event.ts < window.end and all(event.meta.get(one.key) in one.values for one in own)
    ]
    found = world.parts.engine.log([meter], query, figure=True).usage
    assert reference.same(found, reference.figure(aggregation, events, meter.decimals))
