"""Keeps the columns: takes in what other processes wrote, saves them now and then, and ends old sessions."""

from __future__ import annotations

from fluxrate.core.services import Services
from fluxrate.plugin import Job, Plugin

_HOUR = 3_600_000_000


def _refresh(parts: Services) -> None:
    parts.live.refresh()


def _fold(parts: Services) -> None:
    parts.live.fold()


def _save(parts: Services) -> None:
    parts.live.save()


def _purge(parts: Services) -> None:
    now = parts.clock()
    parts.store.sessions.purge(
        idle_before=now - parts.settings["SESSION_IDLE_HOURS"] * _HOUR,
        created_before=now - parts.settings["SESSION_DAYS"] * 24 * _HOUR,
    )


plugin = Plugin(
    name="columns",
    jobs=(
        Job("columns.refresh", lambda settings: settings["REFRESH_INTERVAL_MS"] / 1_000, _refresh),
        Job("columns.fold", lambda settings: 5, _fold),
        Job("columns.save", lambda settings: settings["SAVE_INTERVAL"], _save, "folder"),
        Job("sessions.purge", lambda settings: 3_600, _purge, "store"),
    ),
)
