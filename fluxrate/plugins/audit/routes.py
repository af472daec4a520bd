"""`GET /audit`: who created, changed, revoked, voided, imported and signed in, the latest first."""

from __future__ import annotations

from typing import Any

from flask import Response

from fluxrate.core.calendar import rfc3339
from fluxrate.core.model import Entry
from fluxrate.core.trail import check_action
from fluxrate.core.windows import parse_window
from fluxrate.http.answers import answer, listing
from fluxrate.http.auth import scope
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.http.schemas import listing_schema
from fluxrate.plugin import services
from fluxrate.plugins.audit.schemas import AuditArgs, EntrySchema

blueprint = ApiBlueprint("audit", __name__, url_prefix="/api/v1/audit", description="Who did what.")


@blueprint.get("")
@scope("admin")
@blueprint.arguments(AuditArgs, location="query")
@blueprint.response(200, listing_schema(EntrySchema))
def list_entries(args: dict[str, Any]) -> Response:
    """List what was done in a window, the latest first."""
    parts = services()
    page, size = args["page"], args["page_size"]
    zone = args.get("timezone") or "UTC"
    window = parse_window(args.get("start_date"), args.get("end_date"), zone, parts.clock())
    action = check_action(args["action"]) if "action" in args else None
    rows, total = parts.store.trail.list(
        window.start, window.end, actor=args.get("actor"), action=action, page=page, page_size=size
    )
    return answer(listing([_shape(row) for row in rows], page=page, page_size=size, total=total))


def _shape(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.pk,
        "at": rfc3339(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target,
        "address": entry.address,
        "details": entry.details,
    }
