"""What the audit trail keeps: the names of the actions, and the notes of those that change no table of their own.

Who created, changed, revoked, voided, imported, signed in. Never events themselves: they have their own log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxrate.core import text
from fluxrate.core.errors import Malformed
from fluxrate.core.model import By, Note
from fluxrate.core.store import Store

ACTIONS = (
    "customer.created",
    "customer.deleted",
    "customer.updated",
    "event.voided",
    "import.finished",
    "import.started",
    "invoice.created",
    "invoice.deleted",
    "invoice.updated",
    "key.created",
    "key.revoked",
    "key.updated",
    "meter.created",
    "meter.deleted",
    "meter.updated",
    "password.changed",
    "plan.created",
    "plan.deleted",
    "plan.updated",
    "sign_in.failed",
    "subscription.created",
    "subscription.deleted",
    "subscription.updated",
    "user.created",
    "user.removed",
    "user.signed_in",
    "user.signed_out",
)


def check_action(action: str) -> str:
    """An action that the trail knows; raises Malformed."""
    if action not in ACTIONS:
        raise Malformed(f"action is one of {', '.join(ACTIONS)}, but {text.show(action)} came.", field="action")
    return action


def changes_of(before: object, fields: Mapping[str, Any]) -> dict[str, object]:
    """What the trail keeps of a change: each field that becomes another, with what it was and what it is."""
    return {
        name: {"from": getattr(before, name), "to": value}
        for name, value in fields.items()
        if getattr(before, name) != value
    }


def import_started(store: Store, by: By, target: str, file: str, now: int) -> None:
    """Note that a file is being imported; one that was cut short has no `import_finished`."""
    store.trail.add(Note(by, "import.started", target, now, {"file": file}))


def import_finished(store: Store, by: By, target: str, file: str, counts: Mapping[str, int], now: int) -> None:
    """Note that a file is in; `counts` say what became of its rows."""
    store.trail.add(Note(by, "import.finished", target, now, {"file": file, **counts}))
