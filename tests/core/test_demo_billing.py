"""The demo's bills show everything there is to see on whatever day it is made, and go on with each later start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from fluxrate.core import demo, demo_billing
from fluxrate.core.calendar import Window, parse_instant
from fluxrate.core.model import COMMAND_LINE
from fluxrate.core.query import Query
from fluxrate.core.revenue import invoices, subscriptions
from fluxrate.core.revenue.model import INVOICE_STATUSES, Invoice
from fluxrate.core.revenue.mrr import MOVEMENTS
from fluxrate.core.services import Services
from tests.instances import make_meter, new, open_instance, send
from tests.reference import DAY

CARRIERS = ("9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV")
MADE = parse_instant("2025-05-31T15:00:00Z")


def at(parts: Services, instant: int) -> Services:
    return replace(parts, clock=lambda: instant)


def world(folder: Path, made: int) -> Services:
    """An instance with the demo's meters and carriers, and one flight of each two weeks before."""
    parts = open_instance(folder)
    meters = [make_meter(parts, str(each["meter_name"]), str(each["aggregation_type"])) for each in demo.METERS[:2]]
    for carrier in CARRIERS:
        events = [
            new(meters[0], made - 14 * DAY, 3_000_000, carrier),
            new(meters[1], made - 14 * DAY, 1, carrier),
        ]
        send(parts, events, meters)
    demo_billing.keep_up(at(parts, made), made)
    return parts


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    made = world(tmp_path_factory.mktemp("bills"), MADE)
    yield made
    made.store.close()


def all_invoices(parts: Services) -> list[Invoice]:
    return parts.store.invoices.list(page=1, page_size=1_000)[0]


@pytest.mark.parametrize("date", ["2025-05-31", "2024-02-29", "2026-01-30", "2025-03-31", "2026-07-04"])
def test_everything_is_to_be_seen_on_any_day(tmp_path: Path, date: str) -> None:
    """Every status and movement, two currencies, an overdue invoice of each age, in nearly two years until now."""
    made = parse_instant(f"{date}T23:30:00Z")
    parts = world(tmp_path, made)
    rows, total = parts.store.subscriptions.list(page=1, page_size=100)
    assert total == 18
    assert {row.status for row in rows} == {"TRIAL", "ACTIVE", "PAST_DUE", "PAUSED", "CANCELED"}
    assert min(row.start for row in rows) < made - 690 * DAY
    assert all(plan.name.startswith("Demo ") for plan in parts.store.plans.all())
    assert {row.status for row in all_invoices(parts)} == set(INVOICE_STATUSES) - {"DRAFT", "VOID"}
    moved = dict.fromkeys(MOVEMENTS, 0)
    found = parts.revenue.mrr(Window(made - 730 * DAY, made, "UTC"), "month")
    assert [each.currency for each in found] == ["EUR", "USD"]
    for each in found:
        for point in each.points:
            for name, amount in zip(MOVEMENTS, point.movements, strict=True):
                moved[name] += abs(amount)
        assert each.mrr > 0
    assert all(moved.values())
    risks = {each.currency: each for each in parts.revenue.at_risk(made, "UTC").data}
    assert all(count for _, count in risks["USD"].buckets)
    assert risks["USD"].uncollectible > 0
    assert risks["EUR"].amount_due > 0
    parts.store.close()


def test_a_second_start_of_the_day_writes_nothing(parts: Services) -> None:
    before = parts.store.trail.list(0, 1 << 62, actor=None, action=None, page=1, page_size=1)[1]
    demo_billing.keep_up(at(parts, MADE + 3_600_000_000), MADE + 99 * DAY)
    assert parts.store.trail.list(0, 1 << 62, actor=None, action=None, page=1, page_size=1)[1] == before


def test_invoices_price_what_was_used(parts: Services) -> None:
    """The last month's invoice of a plan with tiers has the miles and the flight of that month, each at its price."""
    last = next(row for row in all_invoices(parts) if (row.external_id or "").startswith("demo-UA-usd-2025-05"))
    amounts = {line.description: (line.amount, line.quantity) for line in last.lines}
    assert amounts == {
        "Demo Network: Base": (980_000, "2"),
        "Demo Network: Miles flown": (40_000, "3000000"),  # a million free, two millions at 0.0002
        "Demo Network: Flights": (2, "1"),
    }
    used = parts.engine.usage(
        parts.store.meters.find("miles"), Query(Window(MADE - 40 * DAY, MADE, "UTC"), customers=("UA",))
    )
    assert used.total == Decimal(3_000_000)


def test_later_starts_go_on(tmp_path: Path) -> None:
    """Each month brings an invoice more, what was open is paid but where it is not, trials end, ages grow; and the same
    comes out however often it was started on the way.
    """
    once, often = world(tmp_path / "once", MADE), world(tmp_path / "often", MADE)
    first = len(all_invoices(once))
    for days in (1, 2, 13, 30, 31, 59):
        demo_billing.keep_up(at(often, MADE + days * DAY), 0)
    for parts in (once, often):
        demo_billing.keep_up(at(parts, MADE + 62 * DAY), 0)
        assert len({row.external_id for row in all_invoices(parts)}) == len(all_invoices(parts)) > first + 20
        trial = parts.store.subscriptions.by_external_id("demo-HA-eur")
        assert trial is not None
        assert [state.status for state in parts.store.subscriptions.history(trial.pk)] == ["TRIAL", "ACTIVE"]
        assert trial.period_start is not None
        assert trial.period_end is not None
        assert trial.period_start <= MADE + 62 * DAY < trial.period_end
        buckets = next(each for each in parts.revenue.at_risk(MADE + 62 * DAY, "UTC").data if each.currency == "USD")
        assert buckets.buckets[-1][1] > 2
        parts.store.close()

    def told(parts: Services) -> set[tuple[object, ...]]:
        return {(row.external_id, row.status, row.total, row.due_date) for row in all_invoices(parts)}

    assert told(once) == told(often)


def test_what_somebody_changed_is_left_alone(tmp_path: Path) -> None:
    """A removed subscription does not come back, a canceled one is not billed any more, a voided invoice stays void."""
    parts = world(tmp_path, MADE)
    gone = subscriptions.find(parts.store, "demo-HA-eur")
    subscriptions.delete(parts.store, gone, MADE, COMMAND_LINE)
    over = subscriptions.find(parts.store, "demo-UA-usd")
    subscriptions.change(parts.store, over, {"status": "CANCELED"}, MADE, COMMAND_LINE)
    open_one = next(row for row in all_invoices(parts) if row.status == "OPEN")
    invoices.change(parts.store, open_one, {"status": "VOID"}, MADE, COMMAND_LINE)
    billed = len(parts.store.invoices.list(page=1, page_size=1_000, subscription_pk=over.pk)[0])
    demo_billing.keep_up(at(parts, MADE + 90 * DAY), 0)
    assert parts.store.subscriptions.by_external_id("demo-HA-eur") is None
    assert len(parts.store.invoices.list(page=1, page_size=1_000, subscription_pk=over.pk)[0]) == billed
    assert invoices.find(parts.store, open_one.id).status == "VOID"
    parts.store.close()
