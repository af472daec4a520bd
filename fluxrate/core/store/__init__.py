"""The SQL room: `Store`, the truth of an instance in SQLite or PostgreSQL.

Everything else that holds figures (columns, caches) can be made again from here. The store never reads the
clock: whoever writes says when it is. Errors leave as `core.errors`, with no SQL in their text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import copy

from sqlalchemy import Connection

from fluxrate.core.store import migrate
from fluxrate.core.store.accounts import Keys, Sessions, Users
from fluxrate.core.store.billing import Invoices, Plans
from fluxrate.core.store.commits import MOST_QUEUED
from fluxrate.core.store.connect import Database
from fluxrate.core.store.customers import Customers
from fluxrate.core.store.events import Events
from fluxrate.core.store.instance import Instance
from fluxrate.core.store.leases import Leases
from fluxrate.core.store.meters import Meters
from fluxrate.core.store.mirrored import Mirrored
from fluxrate.core.store.subscriptions import Subscriptions
from fluxrate.core.store.together import Names, Together
from fluxrate.core.store.trail import Trail
from fluxrate.core.store.voids import Voids
from fluxrate.core.store.work import Undone, Work

__all__ = ["Names", "Store", "Undone"]


class Store:
    """One instance's store, safe to use from many threads; not across a fork.

    `url` is `sqlite:///FILE` or `postgresql://...`. Raises ConfigError for another URL. Nothing is opened
    before the first use. At most `most_queued` events wait to be written; more are refused with Unavailable.
    """

    def __init__(self, url: str, most_queued: int = MOST_QUEUED) -> None:
        self._database = Database(url)
        self.dialect = self._database.dialect
        self.meters = Meters(self._database)
        self.customers = Customers(self._database)
        self.events = Events(self._database, most_queued)
        self.voids = Voids(self._database)
        self.keys = Keys(self._database)
        self.users = Users(self._database)
        self.sessions = Sessions(self._database)
        self.instance = Instance(self._database)
        self.trail = Trail(self._database)
        self.leases = Leases(self._database)
        self.plans = Plans(self._database)
        self.subscriptions = Subscriptions(self._database)
        self.invoices = Invoices(self._database)
        self.mirrored = Mirrored(self._database)

    def migrate(self) -> list[str]:
        """Bring the tables up to date; gives the revisions applied. Safe when several processes start at once."""
        return migrate.upgrade(self._database)

    def pending(self) -> bool:
        """Whether `migrate` has something to do."""
        return migrate.pending(self._database)

    def ping(self) -> None:
        """Reach the database once, or raise Unavailable."""
        self._database.ping()

    def read(self) -> AbstractContextManager[Connection]:
        """A connection for a read that the tables' own methods do not offer."""
        return self._database.read()

    def write(self) -> AbstractContextManager[Connection]:
        """A write transaction, committed at the end and rolled back by an error."""
        return self._database.write()

    @contextmanager
    def together(self) -> Iterator[tuple[Store, Callable[[Names], None]]]:
        """The store within one transaction: customers and billing records that are made and changed in it are there for
        all others at its end, on the disk, or none of them is. Beside it a function that reads ahead what is named.

        Raises Undone where one of the changes cannot be made, or not without knowing what somebody else changed at the
        same time: then each is to be made by itself. In the block nothing else writes (on SQLite it would wait for
        itself), and it is short: others may have to wait for its end.
        """
        with self._database.write() as connection:
            work = Work(connection)
            tables = Together(work, self.customers)
            edition = tables.customers.edition
            within = copy(self)
            within.customers, within.plans, within.subscriptions = tables.customers, tables.plans, tables.subscriptions
            within.invoices, within.mirrored, within.trail = tables.invoices, tables.mirrored, tables.trail
            yield within, tables.ahead
            work.finish()
        if tables.customers.edition is not edition:
            self.customers.edition = object()

    def close(self) -> None:
        """Give the connections back."""
        self._database.close()
