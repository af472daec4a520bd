"""Meters in the store: found by id, by name or by token.

A meter's `decimals` never change, because every stored quantity is scaled by them; neither do its id and its
token.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select
from sqlalchemy import exc as sql

from fluxrate.core.errors import Conflict, NotFound
from fluxrate.core.model import Meter, MeterFilter, Note
from fluxrate.core.store import counter, trail
from fluxrate.core.store.connect import Database
from fluxrate.core.store.faults import is_foreign_key_violation, is_unique_violation
from fluxrate.core.store.paging import Many, Page, page_of
from fluxrate.core.store.schema import events, meters, plans

CHANGEABLE = frozenset({"name", "meter_name", "aggregation_type", "property_name", "unit", "filters", "status"})

_FILTERS = msgspec.json.Decoder(tuple[MeterFilter, ...])
_BY_NAME = (func.lower(meters.c.name), meters.c.pk)


class Meters:
    """The table of meters."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.edition = object()
        """Another object after every change of the table through this value: what was read before may be old."""

    def list(self, *, page: int, page_size: int, status: str | None = None) -> Page[Meter]:
        """One page of the meters by name, and how many there are in all."""
        query = select(meters) if status is None else select(meters).where(meters.c.status == status)
        with self._database.read() as connection:
            rows, total = page_of(connection, query, _BY_NAME, page, page_size)
        return [_meter(row) for row in rows], total

    def all(self) -> Many[Meter]:
        """Every meter by name, archived ones too."""
        with self._database.read() as connection:
            return [_meter(row) for row in connection.execute(select(meters).order_by(*_BY_NAME))]

    def find(self, ref: str) -> Meter | None:
        """The meter whose id, else whose meter_name, else whose meter_token is `ref`."""
        low = ref.lower()
        query = select(meters).where(
            (meters.c.id == low) | (meters.c.meter_name == ref) | (meters.c.meter_token == low)
        )
        with self._database.read() as connection:
            found = [_meter(row) for row in connection.execute(query)]
        ranked = sorted(found, key=lambda meter: (meter.id != low, meter.meter_name != ref))
        return ranked[0] if ranked else None

    def get(self, pk: int) -> Meter | None:
        """The meter of this key, or None."""
        with self._database.read() as connection:
            row = connection.execute(select(meters).where(meters.c.pk == pk)).first()
        return None if row is None else _meter(row)

    def create(
        self,
        *,
        name: str,
        meter_name: str,
        aggregation_type: str,
        property_name: str | None,
        unit: str | None,
        decimals: int,
        filters: Sequence[MeterFilter],
        now: int,
        note: Note | None = None,
    ) -> Meter:
        """Add an active meter with a new id and token. Raises Conflict when `meter_name` is taken."""
        values = {
            "id": str(uuid.uuid4()),
            "name": name,
            "meter_name": meter_name,
            "meter_token": str(uuid.uuid4()),
            "aggregation_type": aggregation_type,
            "property_name": property_name,
            "unit": unit,
            "decimals": decimals,
            "filters": _filters_text(filters),
            "status": "ACTIVE",
            "created_at": now,
            "updated_at": now,
        }
        return self._written(meters.insert().values(values).returning(*meters.c), meter_name, note)

    def update(
        self, pk: int, changes: Mapping[str, object], now: int, note: Note | None = None, seen: int | None = None
    ) -> Meter:
        """Change the named fields. Raises NotFound, or Conflict for a taken meter_name and for other `decimals`.

        With `seen`, the sequence up to which the caller knows that the meter has no events, also Conflict when one has
        come after.
        """
        current = self.get(pk)
        if current is None:
            raise NotFound("There is no such meter.")
        values = dict(changes)
        if values.pop("decimals", current.decimals) != current.decimals:
            raise Conflict(
                f"A meter's decimals are fixed when it is created ({current.decimals} here), because stored "
                "quantities are scaled by them; create another meter.",
                field="decimals",
            )
        if unknown := values.keys() - CHANGEABLE:
            raise ValueError(f"not a changeable field of a meter: {sorted(unknown)}")
        if "filters" in values:
            values["filters"] = _filters_text(values["filters"])
        statement = meters.update().where(meters.c.pk == pk).values(**values, updated_at=now).returning(*meters.c)
        return self._written(statement, values.get("meter_name"), note, None if seen is None else (pk, seen))

    def delete(self, pk: int, note: Note | None = None) -> None:
        """Remove a meter. Raises NotFound, or Conflict when a plan charges by it or events hang on it (this may
        read them all).
        """
        try:
            with self._database.write() as connection:
                row = connection.execute(meters.delete().where(meters.c.pk == pk).returning(meters.c.id)).first()
                if row is None:
                    raise NotFound("There is no such meter.")
                _check_uncharged(connection, row.id)
                trail.write(connection, note)
            self.edition = object()
        except sql.IntegrityError as error:
            if not is_foreign_key_violation(error):
                raise
            raise Conflict("The meter has events, so it cannot be deleted; archive it instead.") from error

    def _written(
        self, statement: Any, meter_name: object, note: Note | None, empty: tuple[int, int] | None = None
    ) -> Meter:
        try:
            with self._database.write() as connection:
                if empty is not None:
                    _check_empty(connection, *empty)
                row = connection.execute(statement).first()
                trail.write(connection, note if row else None)
            self.edition = object()
        except sql.IntegrityError as error:
            if not is_unique_violation(error):
                raise
            raise Conflict(f"The meter_name {meter_name!r} is taken by another meter.", field="meter_name") from error
        if row is None:
            raise NotFound("There is no such meter.")
        return _meter(row)


def _check_empty(connection: Connection, pk: int, seen: int) -> None:
    """Refuse where the meter has an event that came after `seen`; none comes until the transaction ends."""
    counter.hold(connection)
    later = select(events.c.seq).where(events.c.seq > seen, events.c.meter_pk == pk).limit(1)
    if connection.execute(later).first() is not None:
        raise Conflict("The meter has got its first events meanwhile, so what its figures are made of is fixed.")


def _check_uncharged(connection: Connection, public_id: str) -> None:
    """Refuse where a plan charges by the meter: charges are JSON, which no foreign key looks into."""
    charged = plans.c.charges.contains(f'"meter_id":"{public_id}"', autoescape=True)
    name = connection.execute(select(plans.c.name).where(charged).limit(1)).scalar()
    if name is not None:
        raise Conflict(f"The plan {name} charges by the meter, so it cannot be deleted; archive it instead.")


def _filters_text(filters: Any) -> str:
    return msgspec.json.encode(tuple(filters)).decode()


def _meter(row: Any) -> Meter:
    fields = row._asdict()
    return Meter(**fields | {"filters": _FILTERS.decode(fields["filters"])})
