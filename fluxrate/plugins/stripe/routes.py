"""`POST /stripe/webhook`: Stripe tells what happened. Who calls is known by the signature and nothing else."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from flask import Response, request
from marshmallow import Schema, fields

from fluxrate.core import text
from fluxrate.core.errors import FluxrateError, Malformed, NotFound
from fluxrate.core.model import By
from fluxrate.core.services import Services
from fluxrate.http.answers import answer
from fluxrate.http.auth import PUBLIC, client, scope
from fluxrate.http.bodies import JSON, ApiBlueprint, read_body
from fluxrate.plugin import services
from fluxrate.plugins.stripe import mirror, signature

ACTOR = "stripe"

_LOG = logging.getLogger(__name__)

_SIGNED = {
    "in": "header",
    "name": signature.HEADER,
    "required": True,
    "schema": {"type": "string"},
    "description": "`t=SECONDS,v1=SIGNATURE`, made with the endpoint's signing secret.",
}

blueprint = ApiBlueprint("stripe", __name__, url_prefix="/api/v1/stripe", description="What Stripe tells.")


class ToldSchema(Schema):
    """What became of a message."""

    outcome = fields.String(
        metadata={
            "enum": ["created", "changed", "unchanged", mirror.STALE, mirror.SKIPPED, mirror.IGNORED],
            "description": "`stale` is older than what is known, `ignored` is of a type that is not mirrored.",
        }
    )
    remarks = fields.List(fields.String(), metadata={"description": "What could not be mirrored as it is."})


@blueprint.post("/webhook")
@scope(PUBLIC)
@blueprint.doc(security=[], parameters=[_SIGNED])
@blueprint.response(200, ToldSchema)
@blueprint.alt_response(415)
def take_event() -> Response:
    """Take in an event of Stripe, signed in `Stripe-Signature`; 404 while `STRIPE_WEBHOOK_SECRET` is not set."""
    parts = services()
    secret = str(parts.settings["STRIPE_WEBHOOK_SECRET"])
    if not secret:
        raise NotFound("This instance takes no events of Stripe: the setting STRIPE_WEBHOOK_SECRET is empty.")
    try:
        told = _taken(parts, secret)
    except FluxrateError:
        parts.vitals.messages.note(ACTOR, "refused")
        raise
    parts.vitals.messages.note(ACTOR, told.outcome)
    return answer({"outcome": told.outcome, "remarks": told.remarks})


def _taken(parts: Services, secret: str) -> mirror.Told:
    body = read_body(JSON)
    signature.check(request.headers.get(signature.HEADER), body, secret, parts.clock())
    sent = _event(body)
    told = mirror.event(parts, sent, By(ACTOR, client()))
    if told.outcome == mirror.IGNORED or told.remarks:
        named = text.show(str(sent.get("type", "message")))[1:-1]
        _LOG.info("Stripe's %s was %s.%s", named, told.outcome, "".join(f" {remark}" for remark in told.remarks))
    return told


def _event(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise Malformed("The body is a JSON object, but it cannot be read as JSON.") from why
    if not isinstance(found, dict):
        raise Malformed(f"The body is a JSON object, but {text.show(found)} came.")
    return found
