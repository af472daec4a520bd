"""What the suites for a store share: a store on an empty database, a meter, and short ways to make things."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fluxrate.core.model import Meter, NewEvent
from fluxrate.core.store import Store

NOW = 1_750_000_000_000_000
MAX = 2**63 - 1


def make_meter(store: Store, meter_name: str = "calls", **changes: object) -> Meter:
    values: dict[str, object] = {
        "name": meter_name.title(),
        "meter_name": meter_name,
        "aggregation_type": "SUM",
        "property_name": None,
        "unit": None,
        "decimals": 6,
        "filters": (),
        "now": NOW,
    }
    return store.meters.create(**(values | changes))  # type: ignore[arg-type]


def new(meter: Meter, key: str | None = None, **changes: object) -> NewEvent:
    values: dict[str, object] = {
        "meter_pk": meter.pk,
        "customer_pk": None,
        "customer_external_id": "acme",
        "timestamp": NOW,
        "quantity": 1,
        "idempotency_key": key,
        "metadata": None,
    }
    return NewEvent(**(values | changes))  # type: ignore[arg-type]


def everything(store: Store) -> list[tuple[object, ...]]:
    return [tuple(row) for row in store.events.read_after(0)]


def together(count: int, work: Callable[[int], object]) -> None:
    """Run `work(0)`, `work(1)`, ... in threads that start at the same moment; raise what any of them raised."""
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        barrier.wait()
        work(number)

    with ThreadPoolExecutor(count) as pool:
        for future in [pool.submit(run, number) for number in range(count)]:
            future.result()


class StoreCase:
    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def store(self, url: str) -> Iterator[Store]:
        store = Store(url)
        store.migrate()
        yield store
        store.close()

    @pytest.fixture
    def meter(self, store: Store) -> Meter:
        return make_meter(store)
