"""What a blueprint of ours says of its views and makes of what they return is what flask-smorest would."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Response
from flask_smorest import Blueprint
from marshmallow import Schema, fields

from fluxrate.http.application import Application
from fluxrate.http.bodies import ApiBlueprint


class Args(Schema):
    name = fields.String()


class Said(Schema):
    name = fields.String()


def made(kind: type[Blueprint], returned: Any) -> tuple[Blueprint, Any]:
    blueprint = kind("own", __name__)

    @blueprint.get("/own")
    @blueprint.arguments(Args, location="query")
    @blueprint.response(201, Said)
    @blueprint.alt_response(200, schema={"type": "string"}, content_type="text/csv")
    @blueprint.alt_response(400)
    def own(args: dict[str, Any]) -> Any:
        """One sentence."""
        return returned(args) if callable(returned) else returned

    return blueprint, own


def test_the_reference_says_what_flask_smorest_would_say() -> None:
    ours, theirs = (made(kind, None)[0]._docs["own"] for kind in (ApiBlueprint, Blueprint))
    assert _named(ours) == _named(theirs)
    assert "text/csv" in str(_named(ours))


def _named(said: Any) -> Any:
    """Schemas by the name of their class: each decorator makes one of its own."""
    if isinstance(said, Schema):
        return type(said).__name__
    if isinstance(said, dict):
        return {key: _named(value) for key, value in said.items()}
    return [_named(value) for value in said] if isinstance(said, list) else said


@pytest.mark.parametrize(
    "returned",
    [
        {"name": "a", "other": 1},
        ({"name": "b"}, 202),
        ({"name": "c"}, 202, {"X-Own": "d"}),
        lambda args: {"name": args["name"]},
        lambda args: Response(args["name"], 203),
    ],
)
def test_what_a_view_returns_is_written_as_flask_smorest_writes_it(returned: Any) -> None:
    answers = []
    for kind in (ApiBlueprint, Blueprint):
        app = Application("x")
        app.register_blueprint(made(kind, returned)[0])
        found = app.test_client().get("/own?name=e")
        answers.append((found.status, found.get_data(), sorted(found.headers)))
    assert answers[0] == answers[1]
    assert answers[0][1]
