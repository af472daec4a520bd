"""`/api-keys`: the secret of a key is in the answer to its creation and nowhere else."""

from __future__ import annotations

from typing import Any

from flask import Response

from fluxrate.core import accounts, text
from fluxrate.core.calendar import rfc3339
from fluxrate.core.errors import NotFound
from fluxrate.core.model import ApiKey
from fluxrate.http.answers import answer, listing
from fluxrate.http.auth import by, scope
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.http.parameters import PageArgs
from fluxrate.http.schemas import listing_schema
from fluxrate.plugin import services
from fluxrate.plugins.keys.schemas import KeyChangeSchema, KeyCreateSchema, KeySchema, NewKeySchema

blueprint = ApiBlueprint("api-keys", __name__, url_prefix="/api/v1/api-keys", description="Keys of programs.")


@blueprint.get("")
@scope("admin")
@blueprint.arguments(PageArgs, location="query")
@blueprint.response(200, listing_schema(KeySchema))
def list_keys(args: dict[str, Any]) -> Response:
    """List API keys, revoked ones included."""
    page, size = args["page"], args["page_size"]
    rows, total = services().store.keys.list(page=page, page_size=size)
    return answer(listing([_shape(row) for row in rows], page=page, page_size=size, total=total))


@blueprint.post("")
@scope("admin")
@blueprint.arguments(KeyCreateSchema)
@blueprint.response(201, NewKeySchema)
def create_key(body: dict[str, Any]) -> Response:
    """Create an API key; keep the `key` of the answer, it is not shown again."""
    parts = services()
    kept, secret = accounts.create_key(parts.store, body["name"], body["scopes"], parts.clock(), by())
    return answer({**_shape(kept), "key": secret}, 201)


@blueprint.get("/<key>")
@scope("admin")
@blueprint.response(200, KeySchema)
@blueprint.alt_response(409, description="Several keys have this name.")
def get_key(key: str) -> Response:
    """Read one API key, by id, prefix or a name that is the only one."""
    return answer(_shape(_key_of(key)))


@blueprint.patch("/<key>")
@scope("admin")
@blueprint.arguments(KeyChangeSchema)
@blueprint.response(200, KeySchema)
@blueprint.alt_response(409, description="The key is revoked, or several have this name.")
def change_key(body: dict[str, Any], key: str) -> Response:
    """Change the name or the scopes of an API key; its secret stays."""
    parts = services()
    return answer(_shape(accounts.change_key(parts.store, _key_of(key), body, parts.clock(), by())))


@blueprint.delete("/<key>")
@scope("admin")
@blueprint.response(200, KeySchema)
def revoke_key(key: str) -> Response:
    """Revoke an API key: the next call with it is refused."""
    parts = services()
    accounts.revoke_key(parts.store, _key_of(key), parts.clock(), by())
    return answer(_shape(_key_of(key)))


def _key_of(reference: str) -> ApiKey:
    found = services().store.keys.find(reference) if "\0" not in reference else None
    if found is None:
        raise NotFound(f"No API key has the id, prefix or name {text.show(reference)}.")
    return found


def _shape(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "created_at": rfc3339(key.created_at),
        "last_used_at": None if key.last_used_at is None else rfc3339(key.last_used_at),
        "revoked_at": None if key.revoked_at is None else rfc3339(key.revoked_at),
    }
