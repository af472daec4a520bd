"""Zones whose clocks are odd, and what Python alone knows of them: the slow side that judges the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = (
    "UTC",
    "America/New_York",
    "America/St_Johns",
    "Europe/Berlin",
    "Europe/London",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Africa/Casablanca",
    "America/Santiago",
    "America/Havana",
    "America/Sao_Paulo",
    "Africa/Monrovia",
)
"""Summer time on either half of the earth, at midnight, of half an hour, turned round and given up; offsets of quarter
hours and of seconds; days that were skipped.
"""


def us(text: str) -> int:
    """The instant of an ISO text with offset, in microseconds."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def local(instant: int, zone: str) -> datetime:
    """What the clock of the zone shows at the instant."""
    return (EPOCH + timedelta(microseconds=instant)).astimezone(ZoneInfo(zone))
