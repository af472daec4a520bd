"""The demo's data: a year of real flights as usage of five meters, moved by whole weeks to end now, and made-up bills.

The file lists flights that flew in 2013. All are moved by the same number of weeks, the smallest that brings the
last one to now or later; those that would then still lie ahead are moved back 52 weeks, to the start of the year. So
the demo ends now, every flight keeps its weekday and hour, and the year's totals are those of the file.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import IO

from fluxrate.core import accounts, customers, demo_billing, meters
from fluxrate.core.calendar import parse_instant
from fluxrate.core.credentials import new_token
from fluxrate.core.drafts import metadata_text
from fluxrate.core.errors import Conflict
from fluxrate.core.model import NewEvent
from fluxrate.core.services import Services

EMAIL = "demo@fluxrate.example"
METERS: tuple[dict[str, str | int | None], ...] = (
    {"meter_name": "miles", "name": "Miles flown", "aggregation_type": "SUM", "unit": "miles"},
    {"meter_name": "flights", "name": "Flights", "aggregation_type": "COUNT", "unit": "flights"},
    {"meter_name": "air_minutes", "name": "Time in the air", "aggregation_type": "SUM", "unit": "minutes"},
    {
        "meter_name": "aircraft",
        "name": "Aircraft in use",
        "aggregation_type": "UNIQUE_COUNT",
        "property_name": "tailnum",
        "unit": "aircraft",
    },
    {"meter_name": "longest_flight", "name": "Longest flight", "aggregation_type": "MAX", "unit": "miles"},
)
ROWS = 327_346
"""Flights in the file; each is one event on each meter."""

_WEEK = 7 * 24 * 3_600_000_000
_YEAR_OF_WEEKS = 52 * _WEEK
_LAST = parse_instant("2014-01-01T04:59:00Z")
_BATCH = 2_000
_STATE = "demo"
_FILLED = "filled"

Progress = Callable[[int], None]
"""Told how many more flights are in."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """How to look at the demo in a browser."""

    email: str
    password: str


def is_filled(parts: Services) -> bool:
    """Whether `prepare` has nothing left to load."""
    return parts.store.instance.get(_STATE) == _FILLED


def prepare(parts: Services, progress: Progress) -> SignIn:
    """Fill the instance unless it is filled already; an interrupted filling is taken up where it stopped. Each start
    brings the bills up to today.

    Raises Conflict for an instance that holds something else.
    """
    state, made = parts.store.instance.get(_STATE), parts.clock()
    if state is None:
        if parts.store.meters.all():
            raise Conflict("This instance holds meters of its own; name another folder for the demo with --instance.")
        state = f"loading:{_shift(made)}:{made}"
        parts.store.instance.set(_STATE, state)
    if state.startswith("loading:"):
        shift, made = map(int, state.split(":")[1:])
        _fill(parts, shift, made, progress)
        parts.store.instance.set(_STATE, _FILLED)
        parts.live.refresh()
        parts.live.save(force=True)
    demo_billing.keep_up(parts, made)
    return _sign_in(parts)


def _shift(now: int) -> int:
    return -(-(now - _LAST) // _WEEK) * _WEEK


def _fill(parts: Services, shift: int, now: int, progress: Progress) -> None:
    pks = _meters(parts)
    carriers = _carriers(parts)
    batch: list[NewEvent] = []
    for flight in _flights():
        batch.extend(_events(flight, pks, carriers, shift, now))
        if len(batch) >= _BATCH * len(pks):
            parts.ingest.store(batch)
            progress(len(batch) // len(pks))
            batch = []
    parts.ingest.store(batch)
    progress(len(batch) // len(pks))


def _meters(parts: Services) -> list[int]:
    """The meters' keys in the order of METERS."""
    found = {meter.meter_name: meter for meter in parts.store.meters.all()}
    for wanted in METERS:
        name = str(wanted["meter_name"])
        if name not in found:
            fields = {"decimals": 0, **wanted}
            found[name] = meters.create(parts.store, parts.registry.metrics, fields, parts.clock())
    return [found[str(wanted["meter_name"])].pk for wanted in METERS]


def _carriers(parts: Services) -> dict[str, int]:
    pks = {}
    with _open("carriers.csv") as file:
        for row in csv.DictReader(io.TextIOWrapper(file, "utf-8")):
            known = parts.store.customers.by_external_id(row["carrier"])
            fields = {"external_id": row["carrier"], "name": row["name"]}
            pks[row["carrier"]] = (known or customers.create(parts.store, fields, parts.clock())).pk
    return pks


def _flights() -> Iterator[Sequence[str]]:
    with _open("flights-2013.csv.gz") as packed, gzip.open(packed, "rt", encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        yield from rows


def _open(name: str) -> IO[bytes]:
    return files("fluxrate.data").joinpath(name).open("rb")


def _events(
    flight: Sequence[str], pks: Sequence[int], carriers: dict[str, int], shift: int, now: int
) -> Iterator[NewEvent]:
    departure, carrier, number, tail, origin, to, distance, minutes = flight
    timestamp = parse_instant(departure) + shift
    if timestamp > now:
        timestamp -= _YEAR_OF_WEEKS
    meta = metadata_text({"tailnum": tail, "origin": origin, "dest": to})
    key = f"{carrier}|{number}|{origin}|{departure}"
    quantities = (int(distance), 1, int(minutes), 1, int(distance))
    for pk, quantity in zip(pks, quantities, strict=True):
        yield NewEvent(pk, carriers[carrier], carrier, timestamp, quantity, key, meta)


def _sign_in(parts: Services) -> SignIn:
    """The demo's account; its password is made once and kept beside the data it guards, which are public."""
    path = parts.instance / "demo-password.txt"
    if path.exists() and parts.store.users.by_email(EMAIL):
        return SignIn(EMAIL, path.read_text("utf-8").strip())
    password = new_token()[:16]
    known = parts.store.users.by_email(EMAIL)
    if known is None:
        accounts.create_user(parts.store, EMAIL, password, parts.clock())
    else:
        accounts.set_password(parts.store, known, password, parts.clock())
    path.touch(mode=0o600)
    path.write_text(password + "\n", "utf-8")
    return SignIn(EMAIL, password)
