"""Subscriptions and their history in the store.

The row of a subscription says what it is, its states what it was from which instant on; both are written in one
transaction, so that they never disagree.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple, TypedDict, Unpack

from sqlalchemy import Connection, func, select

from fluxrate.core.errors import NotFound
from fluxrate.core.model import Note
from fluxrate.core.revenue.model import State, Subscription
from fluxrate.core.store import named, trail
from fluxrate.core.store.connect import Access
from fluxrate.core.store.paging import Many, Page, pieces
from fluxrate.core.store.schema import plans, states, subscriptions

_COLUMNS = tuple(subscriptions.c)
_IN_ORDER = (states.c.at, states.c.pk)


class Edition(NamedTuple):
    """What changes with any subscription or history: the `edition` of histories, how many subscriptions there are, and
    the sums of their keys and versions. As keys only go up and do not come back, and versions only go up, equal sums
    mean the same subscriptions, and those in the same versions.
    """

    histories: tuple[int, int] = (-1, -1)
    rows: int = 0
    keys: int = 0
    versions: int = 0


class SubscriptionFilter(TypedDict, total=False):
    """What narrows a list of subscriptions; None narrows nothing."""

    customer_pk: int | None
    plan_pk: int | None
    status: str | None
    currency: str | None


class Subscriptions:
    """The table of subscriptions, with that of their states."""

    def __init__(self, database: Access) -> None:
        self._database = database

    def list(self, *, page: int, page_size: int, **narrow: Unpack[SubscriptionFilter]) -> Page[Subscription]:
        """One page of the subscriptions that are as wanted, the newest first, and how many there are."""
        query = named.narrowed(subscriptions, narrow)
        rows, total = named.paged(self._database, subscriptions, query, page, page_size)
        return [subscription_of(row) for row in rows], total

    def in_pieces(self, **narrow: Unpack[SubscriptionFilter]) -> Iterator[Many[Subscription]]:
        """All the subscriptions that are as wanted, the newest first, some at a time."""
        for rows in named.in_pieces(self._database, subscriptions, named.narrowed(subscriptions, narrow)):
            yield [subscription_of(row) for row in rows]

    def find(self, ref: str) -> Subscription | None:
        """The subscription whose id, else whose external id is `ref`."""
        row = named.find(self._database, subscriptions, ref)
        return None if row is None else subscription_of(row)

    def by_external_id(self, text: str) -> Subscription | None:
        """The subscription of this external id, or None."""
        row = named.by_external_id(self._database, subscriptions, text)
        return None if row is None else subscription_of(row)

    def history(self, pk: int) -> Many[State]:
        """What the subscription was, from its start on."""
        c = states.c
        query = select(c.at, c.status, c.plan_pk, c.quantity, c.discount).where(c.subscription_pk == pk)
        with self._database.read() as connection:
            return [State(*row) for row in connection.execute(query.order_by(*_IN_ORDER))]

    def edition(self) -> tuple[int, int]:
        """Another pair after every change of any history: how many states there are, and the last key given to one."""
        with self._database.read() as connection:
            count, last = connection.execute(select(func.count(), func.max(states.c.pk))).one()
        return count, last or 0

    def edition_of_rows(self) -> Edition:
        """Another one after every change of any subscription or history."""
        c = subscriptions.c
        with self._database.read() as connection:
            sums = connection.execute(select(func.count(), func.sum(c.pk), func.sum(c.version))).one()
        return Edition(self.edition(), *(int(each or 0) for each in sums))

    def changed_since(self, at: int) -> Many[tuple[int, int]]:
        """The pk and version of each subscription that was changed at `at` or later, by the clocks of the writers."""
        c = subscriptions.c
        return named.rows_of(self._database, select(c.pk, c.version).where(c.updated_at >= at))

    def versions(self) -> dict[int, int]:
        """By the pk of each subscription its version."""
        return dict(named.rows_of(self._database, select(subscriptions.c.pk, subscriptions.c.version)))

    def by_pks(self, pks: Sequence[int]) -> Many[tuple[Subscription, Many[State]]]:
        """These subscriptions with their histories; one without a row is left out.

        A history is never older than its row: one that was changed in between shows by its version, which is then old.
        """
        found: dict[int, tuple[Subscription, Many[State]]] = {}
        for piece in pieces(pks):
            rows = named.rows_of(self._database, select(*_COLUMNS).where(subscriptions.c.pk.in_(piece)))
            found |= {row[0]: (Subscription(*row), []) for row in rows}
        c = states.c
        columns = (c.subscription_pk, c.at, c.status, c.plan_pk, c.quantity, c.discount)
        for piece in pieces(list(found)):
            query = select(*columns).where(c.subscription_pk.in_(piece)).order_by(*_IN_ORDER)
            for pk, *state in named.rows_of(self._database, query):
                found[pk][1].append(State(*state))
        return list(found.values())

    def histories(self, after: int = 0, upto: int | None = None) -> Many[tuple[int, int, str, int, int, int]]:
        """Every state of every subscription in the order they were added, of those with keys beyond `after` up to
        `upto`: the subscription's pk, the instant, status, plan's pk, quantity, discount.
        """
        c = states.c
        query = select(c.subscription_pk, c.at, c.status, c.plan_pk, c.quantity, c.discount)
        query = query.where(c.pk > after).order_by(c.pk)
        return named.rows_of(self._database, query if upto is None else query.where(c.pk <= upto))

    def customers(self, pks: Sequence[int]) -> dict[int, int]:
        """By the pk of each of these subscriptions that of its customer; one that is not there is left out."""
        return named.column_of(self._database, subscriptions, "customer_pk", pks)

    def ids_of(self, pks: Sequence[int]) -> dict[int, str]:
        """The public ids of these subscriptions."""
        return named.column_of(self._database, subscriptions, "id", pks)

    def plan_names(self, pks: Sequence[int]) -> dict[int, str]:
        """What the plan of each of these subscriptions is called; a key without a row is left out."""
        query = select(subscriptions.c.pk, plans.c.name).join(plans, plans.c.pk == subscriptions.c.plan_pk)
        found: dict[int, str] = {}
        with self._database.read() as connection:
            for piece in pieces(sorted(set(pks))):
                rows = connection.execute(query.where(subscriptions.c.pk.in_(piece)))
                found.update((pk, name) for pk, name in rows)
        return found

    def create(
        self, values: Mapping[str, Any], history: Sequence[State], now: int, note: Note | None = None
    ) -> Subscription:
        """Add a subscription with a new id, and its states. Raises Conflict when its external id is taken."""
        row = new_subscription(values, now)
        with named.writing(self._database, subscriptions, values.get("external_id")) as connection:
            _hold(connection, history)
            made = connection.execute(subscriptions.insert().values(row).returning(*subscriptions.c)).one()
            _add(connection, made.pk, history)
            trail.write(connection, note)
        return subscription_of(made)

    def update(
        self,
        before: Subscription,
        changes: Mapping[str, Any],
        history: Sequence[State],
        now: int,
        note: Note | None = None,
    ) -> Subscription:
        """Change the named fields of the subscription as it was read, and add states. Raises NotFound, or Conflict when
        it has changed.
        """
        mine = (subscriptions.c.pk == before.pk, subscriptions.c.version == before.version)
        values = dict(changes) | {"version": before.version + 1, "updated_at": now}
        statement = subscriptions.update().where(*mine).values(values).returning(*subscriptions.c)
        with named.writing(self._database, subscriptions) as connection:
            _hold(connection, history)
            row = connection.execute(statement).first()
            made = named.written(row, connection, subscriptions, before.pk)
            _add(connection, before.pk, history)
            trail.write(connection, note)
        return subscription_of(made)

    def delete(self, pk: int, note: Note | None = None) -> None:
        """Remove a subscription and its states. Raises NotFound, or Conflict when it has invoices."""
        with named.writing(self._database, subscriptions) as connection:
            if not connection.execute(subscriptions.delete().where(subscriptions.c.pk == pk)).rowcount:
                raise NotFound("There is no such subscription.")
            trail.write(connection, note)


def _hold(connection: Connection, history: Sequence[State]) -> None:
    """Keep the plans from being changed until the subscription is on them; on SQLite nobody else writes anyway."""
    wanted = sorted({state.plan_pk for state in history})
    if wanted and connection.dialect.name == "postgresql":
        query = select(plans.c.pk).where(plans.c.pk.in_(wanted)).order_by(plans.c.pk)
        connection.execute(query.with_for_update(read=True)).all()


def _add(connection: Connection, pk: int, history: Sequence[State]) -> None:
    if history:
        connection.execute(states.insert(), [asdict(state) | {"subscription_pk": pk} for state in history])


def new_subscription(values: Mapping[str, Any], now: int) -> dict[str, Any]:
    """The columns of a new subscription but for its key."""
    return dict(values) | {"id": str(uuid.uuid4()), "version": 1, "created_at": now, "updated_at": now}


def subscription_of(row: Sequence[Any]) -> Subscription:
    """The record of a whole row."""
    return Subscription(*row)
