"""What every store must do. A test class inherits `StoreContract` and says in `url` where its database is."""

from __future__ import annotations

from collections import Counter

import pytest

from fluxrate.core.model import Meter
from fluxrate.core.store import Store
from tests.contracts.store_accounts import AccountContract
from tests.contracts.store_billing import BillingContract
from tests.contracts.store_catalog import CustomerContract, MeterContract
from tests.contracts.store_commits import CommitContract
from tests.contracts.store_events import EventContract
from tests.contracts.store_together import TogetherContract
from tests.contracts.store_trail import TrailContract
from tests.contracts.store_voids import VoidContract


class StoreContract(
    MeterContract,
    CustomerContract,
    EventContract,
    CommitContract,
    VoidContract,
    AccountContract,
    TrailContract,
    BillingContract,
    TogetherContract,
):
    """All of it."""

    def test_no_test_hides_another(self) -> None:
        """The suites have no test of the same name, of which only one would run."""
        names = Counter(name for suite in StoreContract.__mro__ for name in vars(suite) if name.startswith("test_"))
        assert [name for name, times in names.items() if times > 1] == []

    def test_ping(self, store: Store) -> None:
        """A store that can be reached says so by saying nothing."""
        store.ping()

    def test_write_is_undone_by_an_error(self, store: Store, meter: Meter) -> None:
        """A write transaction that ends in an error leaves nothing behind."""

        def change() -> None:
            with store.write() as connection:
                connection.exec_driver_sql("UPDATE meters SET name = 'changed'")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            change()
        assert store.meters.get(meter.pk) == meter
