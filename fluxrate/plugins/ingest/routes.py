"""`POST /sdk/track`, `POST /usage` and `POST /events`: one event or a batch, on disk before it is acknowledged; and
`POST /events/{event}/void`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from flask import Response

from fluxrate.core.drafts import decode_one
from fluxrate.core.errors import Malformed
from fluxrate.core.ingest import Outcome
from fluxrate.http.answers import answer
from fluxrate.http.auth import by, scope
from fluxrate.http.bodies import JSON, ApiBlueprint, read_body
from fluxrate.http.schemas import EventSchema
from fluxrate.http.shapes import event_shape, log_row_shape
from fluxrate.plugin import services
from fluxrate.plugins.ingest.forms import read_drafts
from fluxrate.plugins.ingest.schemas import ATTRIBUTES, BATCH_BODY, EVENT_BODY, BatchArgs, BatchSchema, VoidArgs

blueprint = ApiBlueprint("ingest", __name__, url_prefix="/api/v1", description="Sending usage.")


@blueprint.post("/sdk/track")
@scope("usage.write")
@blueprint.doc(requestBody=EVENT_BODY)
@blueprint.response(201, EventSchema)
@blueprint.alt_response(200, schema=EventSchema, description="The same key again: the first event.")
def track() -> Response:
    """Send one event."""
    return _one()


@blueprint.post("/usage")
@scope("usage.write")
@blueprint.doc(requestBody=EVENT_BODY)
@blueprint.response(201, EventSchema)
@blueprint.alt_response(200, schema=EventSchema, description="The same key again: the first event.")
def send_usage() -> Response:
    """Send one event by ids, or by names and properties."""
    return _one()


@blueprint.post("/events", parameters=ATTRIBUTES)
@scope("usage.write")
@blueprint.arguments(BatchArgs, location="query")
@blueprint.doc(requestBody=BATCH_BODY)
@blueprint.response(200, BatchSchema)
@blueprint.alt_response(207, schema=BatchSchema, description="Some were rejected, each with its reason.")
def send_batch(args: dict[str, Any]) -> Response:
    """Send a batch of events, as JSON, NDJSON or CloudEvents; each is judged on its own unless `atomic`."""
    parts = services()
    drafts = read_drafts(parts.settings["MAX_BATCH"])
    outcomes = parts.ingest.accept(drafts, atomic=args["atomic"])
    tally = Counter([outcome.status for outcome in outcomes])
    rejected = tally["rejected"]
    if args["atomic"] and rejected:
        raise _atomic_refusal(outcomes)
    results = [
        _result(index, outcome)
        for index, outcome in enumerate(outcomes)
        if args["results"] == "all" or outcome.error is not None
    ]
    shape = {
        "accepted": tally["accepted"],
        "duplicates": tally["duplicate"],
        "rejected": rejected,
        "results": results,
    }
    newest = max((outcome.event.seq for outcome in outcomes if outcome.event), default=None)
    return answer(shape, 207 if rejected else 200, as_of=newest)


@blueprint.post("/events/<event>/void")
@scope("usage.write")
@blueprint.arguments(VoidArgs)
@blueprint.response(200, EventSchema)
def void_event(body: dict[str, Any], event: str) -> Response:
    """Void an event: it stays in the log, marked, and leaves the figures from now on."""
    row = services().ingest.void(event, body["reason"], by())
    return answer(log_row_shape(row), as_of=None if row.void is None else row.void.seq)


def _one() -> Response:
    parts = services()
    draft = decode_one(read_body(JSON))
    (outcome,) = parts.ingest.accept([draft])
    if outcome.error is not None or outcome.event is None or outcome.meter is None:
        raise outcome.error or Malformed("The event was refused.")
    event = outcome.event
    if outcome.status == "accepted":
        # Whom the sender named is who it is, now that it is stored.
        named = draft.customer_external_id or parts.catalog.customer_of(event).external_id
        shape = event_shape(event, outcome.meter, parts.catalog.customer_id(event), named, None)
        return answer(shape, 201, as_of=event.seq)
    customer = parts.catalog.customer_of(event)
    void = parts.store.voids.by_events([event.seq]).get(event.seq)
    headers = {"Idempotent-Replayed": "true"} | ({"Idempotent-Conflict": "true"} if outcome.conflict else {})
    shape = event_shape(event, outcome.meter, customer.id, customer.external_id, void)
    return answer(shape, 200, as_of=void.seq if void else event.seq, headers=headers)


class _Result(msgspec.Struct, omit_defaults=True, gc=False):
    """What the answer says of one event; see `ResultSchema`."""

    index: int
    status: str
    id: str | None = None
    conflict: bool = False
    detail: str | None = None


def _result(index: int, outcome: Outcome) -> _Result:
    if outcome.error is not None:
        return _Result(index, outcome.status, detail=outcome.error.detail)
    return _Result(index, outcome.status, outcome.event.id if outcome.event else None, outcome.conflict)


def _atomic_refusal(outcomes: list[Outcome]) -> Malformed:
    index, first = next((i, o) for i, o in enumerate(outcomes) if o.error is not None and not o.left_out)
    count = sum(not outcome.left_out for outcome in outcomes)
    return Malformed(
        f"Nothing of this atomic batch was stored, because {count} of {len(outcomes)} events were refused; "
        f"the first, at index {index}: {first.error.detail if first.error else ''}"
    )
