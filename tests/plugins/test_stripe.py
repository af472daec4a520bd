"""What Stripe tells becomes plans, subscriptions and invoices here: in both shapes, whatever the order it comes in."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from decimal import Decimal

import pytest

from fluxrate.core.errors import FluxrateError, NotFound, RuleBroken
from fluxrate.core.model import By
from fluxrate.core.revenue import mrr
from fluxrate.core.services import Services
from fluxrate.plugins.stripe import mirror
from tests.instances import make_meter, open_instance
from tests.plugins.stripe_objects import DAY, FEB, JAN, MAR, event, invoice, item, older, price, subscription

NOW = 1_750_000_000
SECOND = 1_000_000


@pytest.fixture
def parts(tmp_path):
    made = open_instance(tmp_path)
    yield replace(made, clock=lambda: NOW * SECOND)
    made.store.close()


def take(parts: Services, thing, created: int = MAR, kind: str | None = None) -> mirror.Told:
    return mirror.event(parts, event(thing, created, kind), By("stripe"))


def found(parts: Services, name: str = "sub_1"):
    return parts.store.subscriptions.by_external_id(name)


def history(parts: Services, name: str = "sub_1") -> list[tuple[int, str, int]]:
    made = found(parts, name)
    return [(state.at // SECOND, state.status, state.quantity) for state in parts.store.subscriptions.history(made.pk)]


def worth(parts: Services, name: str = "sub_1") -> int:
    """What the subscription is worth in a month, in minor units."""
    row = found(parts, name)
    plan = next(plan for plan in parts.store.plans.all() if plan.pk == row.plan_pk)
    return mrr.of_subscription(mrr.of_plan(plan), row.quantity, row.discount)


@pytest.mark.parametrize("shape", [subscription, lambda: older(subscription())])
def test_both_shapes_are_the_same(parts, shape):
    """The price, the quantity, the dates and the period, wherever they stand."""
    told = take(parts, shape() if shape is not subscription else subscription())
    assert (told.outcome, told.remarks) == ("created", [])
    row = found(parts)
    assert (row.status, row.quantity, row.currency, row.start) == ("ACTIVE", 3, "USD", JAN * SECOND)
    assert (row.period_start, row.period_end) == (FEB * SECOND, MAR * SECOND)
    (plan,) = parts.store.plans.all()
    assert (plan.external_id, plan.name, plan.plan_type, plan.billing_interval) == (
        "price_gold", "Gold", "FIXED", "month",
    )  # fmt: skip
    assert worth(parts) == 3_150
    assert history(parts) == [(JAN, "ACTIVE", 3)]


@pytest.mark.parametrize(
    ("sent", "more", "status"),
    [
        ("trialing", {"trial_end": MAR + 90 * DAY}, "TRIAL"),
        ("active", {}, "ACTIVE"),
        ("active", {"pause_collection": {"behavior": "void", "resumes_at": None}}, "PAUSED"),
        ("past_due", {}, "PAST_DUE"),
        ("past_due", {"pause_collection": {"behavior": "keep_as_draft"}}, "PAUSED"),
        ("unpaid", {}, "PAST_DUE"),
        ("paused", {}, "PAUSED"),
        ("canceled", {"ended_at": FEB, "canceled_at": JAN + DAY}, "CANCELED"),
        ("incomplete_expired", {"ended_at": JAN + DAY}, "CANCELED"),
    ],
)
def test_every_status(parts, sent, more, status):
    assert take(parts, subscription(status=sent, **more)).outcome == "created"
    row = found(parts)
    assert row.status == status
    if status == "CANCELED":
        # It ended when it ended, not when that was asked for; what never began never counted.
        assert row.canceled_at == (FEB if sent == "canceled" else JAN) * SECOND
        counted = mrr.at_instant(parts.revenue.steps()[0], (JAN + 10 * DAY) * SECOND)
        assert counted == ({row.pk: 3_150} if sent == "canceled" else {})


def test_an_incomplete_subscription_waits(parts):
    """It is passed over with a word, and comes with its first payment."""
    told = take(parts, subscription(status="incomplete"), JAN)
    assert told.outcome == "skipped"
    assert "first payment" in told.remarks[0]
    assert found(parts) is None
    assert take(parts, subscription(), JAN).outcome == "created"


def test_a_life_of_a_subscription(parts):
    """Trial, active, more seats, in arrears, paused, back, ended: each from the instant of its message on."""
    steps = [
        (subscription(status="trialing", trial_end=JAN + 14 * DAY, trial_start=JAN), JAN),
        (subscription(trial_end=JAN + 14 * DAY), JAN + 14 * DAY),
        (subscription("sub_1", item(price(), 5), trial_end=JAN + 14 * DAY), FEB),
        (subscription("sub_1", item(price(), 5), status="past_due"), FEB + 3 * DAY),
        (subscription("sub_1", item(price(), 5), pause_collection={"behavior": "void"}), FEB + 5 * DAY),
        (subscription("sub_1", item(price(), 5)), FEB + 9 * DAY),
        (subscription("sub_1", item(price("price_silver", 500), 5)), FEB + 10 * DAY),
        (subscription("sub_1", item(price("price_silver", 500), 5), status="canceled", ended_at=MAR), MAR + 60),
    ]
    assert [take(parts, thing, at).outcome for thing, at in steps] == ["created", *["changed"] * 7]
    assert history(parts) == [
        (JAN, "TRIAL", 3),
        (JAN + 14 * DAY, "ACTIVE", 3),
        (FEB, "ACTIVE", 5),
        (FEB + 3 * DAY, "PAST_DUE", 5),
        (FEB + 5 * DAY, "PAUSED", 5),
        (FEB + 9 * DAY, "ACTIVE", 5),
        (FEB + 10 * DAY, "ACTIVE", 5),
        (MAR, "CANCELED", 5),
    ]
    assert take(parts, steps[-1][0], MAR + 60).outcome == "unchanged"


def test_messages_in_every_order_end_alike(parts):
    """Of four versions the newest is what stands at the end, whichever came first and however often; and what is older
    adds nothing to the history after what is newer.
    """
    versions = [
        (subscription("sub_1", item(price(), 1)), JAN + DAY),
        (subscription("sub_1", item(price(), 2)), JAN + 2 * DAY),
        (subscription("sub_1", item(price(), 1), status="past_due"), JAN + 3 * DAY),
        (subscription("sub_1", item(price(), 7)), JAN + 4 * DAY),
    ]
    for number, order in enumerate(itertools.permutations(range(4))):
        name = f"sub_{number + 10}"
        for place in (*order, *order):
            thing, at = versions[place]
            take(parts, thing | {"id": name}, at)
        assert (found(parts, name).quantity, found(parts, name).status) == (7, "ACTIVE")
        instants = [at for at, _, _ in history(parts, name)]
        assert instants == sorted(instants)
        assert history(parts, name)[-1][2] == 7


def test_the_end_is_the_end(parts):
    """What was created in the same second as the cancellation, and comes after it, brings nothing back to life."""
    take(parts, subscription(), FEB)
    take(parts, subscription(status="canceled", ended_at=MAR), MAR)
    assert take(parts, subscription(), MAR).outcome == "stale"
    assert take(parts, subscription(), MAR + 60).outcome == "stale"
    assert found(parts).status == "CANCELED"


def test_messages_at_once(parts):
    """Eight threads tell eight versions in the wrong order, twice: the newest one stands."""
    messages = [(subscription("sub_1", item(price(), seats)), JAN + seats * 60) for seats in range(8, 0, -1)] * 2
    failed: list[FluxrateError] = []

    def tell(thing, at) -> None:
        try:
            take(parts, thing, at)
        except FluxrateError as why:
            failed.append(why)
            take(parts, thing, at)  # as Stripe does after an error

    threads = [threading.Thread(target=tell, args=message) for message in messages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found(parts).quantity == 8
    assert len(parts.store.plans.all()) == 1
    instants = [at for at, _, _ in history(parts)]
    assert instants == sorted(instants)


def test_a_second_trial_counts_as_a_pause(parts):
    take(parts, subscription(), FEB)
    told = take(parts, subscription(status="trialing", trial_end=MAR + DAY), MAR)
    assert "trial again" in told.remarks[0]
    assert found(parts).status == "PAUSED"


def test_several_prices_are_one_plan(parts):
    """Of one quantity they keep it; of several, each is priced for its own."""
    seats, support = price("price_a", 1_000), price("price_b", 250)
    take(parts, subscription("sub_1", item(seats, 4), item(support, 4)))
    take(parts, subscription("sub_2", item(support, 2), item(seats, 4)))
    plans = {plan.external_id: plan for plan in parts.store.plans.all()}
    assert set(plans) == {"price_a+price_b", "price_a*4+price_b*2"}
    assert [charge.amount for charge in plans["price_a*4+price_b*2"].charges] == [4_000, 500]
    assert [found(parts, name).quantity for name in ("sub_1", "sub_2")] == [4, 1]
    assert [worth(parts, name) for name in ("sub_1", "sub_2")] == [5_000, 4_500]
    assert plans["price_a+price_b"].name == "A + B"
    many = [item(price(f"price_{'x' * 30}{n:02}", n), n) for n in range(1, 20)]
    take(parts, subscription("sub_3", *many))
    assert worth(parts, "sub_3") == sum(n * n for n in range(1, 20))


def test_prices_of_several_intervals_are_refused(parts):
    yearly = price("price_y", recurring={"interval": "year"})
    with pytest.raises(RuleBroken, match="one interval"):
        take(parts, subscription("sub_1", item(price()), item(yearly)))
    take(parts, subscription("sub_2", item(price("price_q", 3_000, recurring={"interval_count": 3}), 2)))
    assert worth(parts, "sub_2") == 2_000


TIERS = [
    {"up_to": 10, "unit_amount": 100, "unit_amount_decimal": "100", "flat_amount": None, "flat_amount_decimal": None},
    {"up_to": None, "unit_amount": None, "unit_amount_decimal": "50.5", "flat_amount": 500},
]


@pytest.mark.parametrize(
    ("more", "count", "worth_"),
    [
        ({"billing_scheme": "tiered", "tiers_mode": "graduated", "tiers": TIERS}, 12, 1_000 + 101 + 500),
        ({"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": TIERS}, 12, 606 + 500),
        ({"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": TIERS}, 10, 1_000),
        ({"transform_quantity": {"divide_by": 5, "round": "up"}}, 12, 3 * 1_050),
        ({"transform_quantity": {"divide_by": 5, "round": "down"}}, 12, 2 * 1_050),
        ({"unit_amount_decimal": "0.05", "unit_amount": None}, 1_010, 50),
        ({"unit_amount_decimal": "0.05", "unit_amount": None}, 0, 0),
    ],
)
def test_prices_by_tiers_packages_and_fractions(parts, more, count, worth_):
    """What has no amount of one is priced for its quantity, to the cent, half-even."""
    take(parts, subscription("sub_1", item(price("price_t", **more), count)))
    assert worth(parts) == worth_
    assert found(parts).quantity == 1


def test_a_licensed_price_without_its_tiers_is_refused(parts):
    with pytest.raises(RuleBroken, match="expand"):
        take(parts, subscription("sub_1", item(price("price_t", None, billing_scheme="tiered"))))


def test_metered_prices_are_usage_of_the_meter_they_name(parts):
    """By unit price or tiers; without a meter they are left out with a word, and another plan once it is named."""
    make_meter(parts, "calls")
    metered = {"usage_type": "metered", "meter": "mtr_1"}
    loose = price("price_m", None, unit_amount_decimal="0.25", recurring=metered)
    told = take(parts, subscription("sub_1", item(price(), 3), item(loose, None)), FEB)
    assert "names no meter here" in told.remarks[0]
    assert worth(parts) == 3_150
    named = loose | {"metadata": {"fluxrate_meter": "calls"}}
    told = take(parts, subscription("sub_1", item(price(), 3), item(named, None)))
    assert (told.outcome, told.remarks) == ("changed", [])
    plan = parts.store.plans.by_external_id("price_gold+price_m@calls")
    assert [charge.unit_price for charge in plan.charges] == [None, Decimal("0.0025")]
    assert (plan.plan_type, found(parts).quantity, worth(parts)) == ("HYBRID", 3, 3_150)
    tiered = price(
        "price_n", None, billing_scheme="tiered", tiers_mode="graduated", tiers=TIERS,
        recurring=metered, metadata={"fluxrate_meter": "calls"},
    )  # fmt: skip
    take(parts, subscription("sub_2", item(tiered, None)))
    (charge,) = parts.store.plans.by_external_id("price_n@calls").charges
    assert (charge.tier_mode, [tier.up_to for tier in charge.tiers]) == ("graduated", [10, None])
    assert [(tier.unit_price, tier.flat_amount) for tier in charge.tiers] == [(1, 0), (Decimal("0.505"), 500)]
    for more, said in (
        ({"tiers": []}, "did not come"),
        ({"transform_quantity": {"divide_by": 100, "round": "up"}}, "packages"),
        ({"metadata": {"fluxrate_meter": "nope"}}, "'nope'"),
    ):
        told = take(parts, subscription(f"sub_{said}", item(tiered | more, None)))
        assert said in told.remarks[0]
        assert found(parts, f"sub_{said}") is not None


@pytest.mark.parametrize(
    ("discounts", "percent"),
    [
        ({"discounts": [{"id": "di_1", "end": None, "coupon": {"percent_off": 10, "duration": "forever"}}]}, "10"),
        ({"discount": {"id": "di_1", "end": None, "coupon": {"percent_off": 33.33, "duration": "forever"}}}, "33.33"),
        (
            {"discounts": [{"id": "di_1", "source": {"coupon": {"percent_off": 12.5, "duration": "forever"}}}]},
            "12.5",
        ),
        (
            {
                "discount": {"id": "di_1", "coupon": {"percent_off": 50, "duration": "forever"}},
                "discounts": [
                    {"id": "di_1", "coupon": {"percent_off": 50, "duration": "forever"}},
                    {"id": "di_2", "coupon": {"percent_off": 10, "duration": "repeating"}, "end": MAR + DAY},
                ],
            },
            "55",
        ),
        (
            {"discount": {"id": "di_1", "coupon": {"percent_off": 20, "duration": "forever"}}, "discounts": ["di_1"]},
            "20",
        ),
        ({"discounts": [{"id": "di_1", "coupon": {"percent_off": 50, "duration": "once"}}]}, "0"),
        ({"discounts": [{"id": "di_1", "end": FEB, "coupon": {"percent_off": 50, "duration": "repeating"}}]}, "0"),
    ],
)
def test_discounts_in_percent(parts, discounts, percent):
    """One, several after another, each once; none that is over or for once."""
    assert take(parts, subscription(**discounts)).remarks == []
    assert Decimal(found(parts).discount) / 10_000 == Decimal(percent)


@pytest.mark.parametrize(
    ("discounts", "said"),
    [
        (["di_1"], "did not come"),
        ([{"id": "di_1", "coupon": {"amount_off": 500, "percent_off": None, "duration": "forever"}}], "in percent"),
        ([{"id": "di_1", "source": {"type": "coupon", "coupon": "co_1"}}], "in percent"),
    ],
)
def test_a_discount_that_cannot_be_said_is_named(parts, discounts, said):
    told = take(parts, subscription(discounts=discounts))
    assert said in told.remarks[0]
    assert found(parts).discount == 0


@pytest.mark.parametrize(
    ("currency", "amount", "minor"),
    [("usd", 1_050, 1_050), ("jpy", 1_050, 1_050), ("kwd", 10_500, 10_500), ("isk", 50_000, 500), ("ugx", 50_000, 500),
     ("mga", 50, 5_000), ("huf", 1_050, 1_050), ("clp", 990, 990)],
)  # fmt: skip
def test_smallest_units(parts, currency, amount, minor):
    """Stripe's are not always those of ISO 4217: amounts of prices and invoices mean the same in both."""
    sold = price("price_c", amount, currency=currency)
    take(parts, subscription("sub_1", item(sold), currency=currency))
    assert worth(parts) == minor
    take(parts, invoice("in_1", "open", amount, currency=currency))
    assert parts.store.invoices.by_external_id("in_1").total == minor


def test_a_price_in_another_currency_of_its_options(parts):
    options = {"eur": {"unit_amount": 900, "unit_amount_decimal": "900"}}
    take(parts, subscription("sub_1", item(price(currency_options=options), 2), currency="eur"))
    assert (worth(parts), found(parts).currency) == (1_800, "EUR")
    assert parts.store.plans.by_external_id("price_gold/eur").currency == "EUR"
    with pytest.raises(RuleBroken, match="did not come"):
        take(parts, subscription("sub_2", item(price()), currency="eur"))


def test_whose_it_is(parts):
    """By metadata of the subscription or customer, else Stripe's own id; new ones are made, known ones are found."""
    make = parts.store.customers.create
    make(external_id="acme", name=None, email=None, now=0)
    take(parts, subscription("sub_1", metadata={"fluxrate_customer": "acme"}))
    whole = {"id": "cus_2", "object": "customer", "name": " Ada\u202e  Ltd\n", "email": "no address", "metadata": {}}
    take(parts, subscription("sub_2", customer=whole))
    take(parts, subscription("sub_3", customer=whole | {"metadata": {"fluxrate_customer": "acme"}}))
    take(parts, invoice("in_1", parent=None))
    customers = {row.pk: row for row in parts.store.customers.list(page=1, page_size=9)[0]}
    assert [customers[found(parts, name).customer_pk].external_id for name in ("sub_1", "sub_2", "sub_3")] == [
        "acme", "cus_2", "acme",
    ]  # fmt: skip
    named = {row.external_id: (row.name, row.email) for row in customers.values()}
    assert named == {"acme": (None, None), "cus_2": ("Ada Ltd", None), "cus_1": ("Ada", "ada@example.com")}
    strict = replace(parts, settings={**parts.settings, "AUTO_CREATE_CUSTOMERS": False})
    with pytest.raises(NotFound, match="cus_9"):
        take(strict, subscription("sub_9", customer="cus_9"))


def amounts(parts: Services, name: str = "in_1") -> tuple[int, ...]:
    row = parts.store.invoices.by_external_id(name)
    return row.subtotal, row.tax, row.total, row.amount_due, row.amount_paid


@pytest.mark.parametrize("status", ["draft", "open", "paid", "void", "uncollectible"])
def test_every_status_of_an_invoice(parts, status):
    take(parts, subscription())
    assert take(parts, invoice("in_1", status)).outcome == "created"
    row = parts.store.invoices.by_external_id("in_1")
    assert (row.status, row.subscription_pk, row.currency) == (status.upper(), found(parts).pk, "USD")
    assert row.issue_date == row.due_date == FEB // DAY
    assert [(line.description, line.amount, line.quantity) for line in row.lines] == [("3 × Gold", 3_150, "3")]


def test_invoices_of_both_shapes(parts):
    """The subscription with the invoice, plain or expanded, or with its parent; taxes in three forms."""
    take(parts, subscription())
    for number, more in enumerate(
        (
            {"parent": None, "subscription": "sub_1"},
            {"parent": None, "subscription": {"id": "sub_1", "object": "subscription"}},
            {"parent": {"subscription_details": {"subscription": {"id": "sub_1"}}}},
            {"total": 3_450, "amount_due": 3_450, "total_taxes": [{"amount": 300, "tax_behavior": "exclusive"}]},
            {"total_taxes": [{"amount": 300, "tax_behavior": "inclusive"}]},
            {"total": 3_450, "amount_due": 3_450, "total_taxes": None, "tax": 300},
            {"total": 3_450, "amount_due": 3_450, "total_taxes": None,
             "total_tax_amounts": [{"amount": 300, "inclusive": False}, {"amount": 50, "inclusive": True}]},
        )
    ):  # fmt: skip
        take(parts, invoice(f"in_{number}", **more))
        assert parts.store.invoices.by_external_id(f"in_{number}").subscription_pk == found(parts).pk
        tax = 300 if more.get("total") else 0
        assert amounts(parts, f"in_{number}") == (3_150, tax, 3_150 + tax, 3_150 + tax, 0)


def test_what_is_due_and_paid(parts):
    """A discount, a balance of the customer, a part that was paid, what was paid elsewhere, and shipping."""
    take(parts, subscription())
    take(parts, invoice("in_1", total=2_000, amount_due=1_500, amount_paid=500, due_date=FEB + 14 * DAY))
    assert amounts(parts) == (3_150, 0, 2_000, 1_500, 500)
    assert parts.store.invoices.by_external_id("in_1").due_date == FEB // DAY + 14
    take(parts, invoice("in_2", "paid", amount_paid=0))
    assert amounts(parts, "in_2")[3:] == (3_150, 3_150)
    take(parts, invoice("in_3", total=3_650, amount_due=3_650))
    assert amounts(parts, "in_3")[:3] == (3_650, 0, 3_650)
    told = take(parts, invoice("in_4", "paid", -500))
    assert told.outcome == "skipped"
    assert "gives back" in told.remarks[0]
    lines = invoice()["lines"] | {"has_more": True}
    take(parts, invoice("in_5", amount=5_000, lines=lines))
    assert [line.amount for line in parts.store.invoices.by_external_id("in_5").lines] == [3_150, 1_850]
    hostile = {"object": "line_item", "amount": 3_150, "description": "\x00a\u202eb\n" + "x" * 900, "quantity": None}
    take(parts, invoice("in_6", lines={"data": [hostile]}))
    assert parts.store.invoices.by_external_id("in_6").lines[0].description.startswith("a b xxx")


def test_an_invoice_only_goes_up(parts):
    """All that is told of one in the same second, in any order and twice, ends as PAID."""
    take(parts, subscription())
    kinds = [("draft", "invoice.created"), ("open", "invoice.finalized"), ("open", "invoice.updated")]
    kinds += [("paid", "invoice.paid")]
    for number, order in enumerate(itertools.permutations(kinds)):
        for status, kind in (*order, *order):
            take(parts, invoice(f"in_{number}", status), FEB, kind)
        assert parts.store.invoices.by_external_id(f"in_{number}").status == "PAID"
    take(parts, invoice("in_v", "void"), FEB)
    assert take(parts, invoice("in_v", "paid"), MAR).outcome == "stale"
    take(parts, invoice("in_u", "uncollectible"), FEB)
    assert take(parts, invoice("in_u", "open"), FEB).outcome == "stale"
    assert take(parts, invoice("in_u", "paid"), MAR).outcome == "changed"


def test_a_draft_changes_and_goes(parts):
    """Until it is finalized its lines and amounts follow; a draft that is thrown away is gone, an issued one is not."""
    take(parts, subscription())
    take(parts, invoice("in_1", "draft"), FEB)
    take(parts, invoice("in_1", "draft", 5_000), FEB + 60)
    assert amounts(parts)[0] == 5_000
    assert parts.store.invoices.by_external_id("in_1").lines[0].amount == 5_000
    assert take(parts, invoice("in_1", "draft", 5_000), MAR, "invoice.deleted").outcome == "changed"
    assert parts.store.invoices.by_external_id("in_1") is None
    assert take(parts, invoice("in_1", "draft", 5_000), MAR, "invoice.deleted").outcome == "unchanged"
    take(parts, invoice("in_2"), FEB)
    assert take(parts, invoice("in_2", "draft"), MAR, "invoice.deleted").outcome == "stale"


def test_an_invoice_before_its_subscription_is_sent_again(parts):
    """It is refused in words that say so, leaves nothing, and goes in after that."""
    with pytest.raises(NotFound, match="not here yet"):
        take(parts, invoice())
    assert parts.store.invoices.by_external_id("in_1") is None
    take(parts, subscription())
    assert take(parts, invoice()).outcome == "created"


def test_prices_make_plans(parts):
    """A recurring price is a plan before anybody is on it; its name follows, its amounts never change."""
    assert take(parts, price(), FEB).outcome == "created"
    assert take(parts, price(nickname="Gold 2025"), MAR).outcome == "changed"
    assert take(parts, price(nickname="Gold 2024"), JAN).outcome == "stale"
    assert parts.store.plans.by_external_id("price_gold").name == "Gold 2025"
    assert take(parts, price("price_once", recurring={}) | {"recurring": None}).outcome == "skipped"
    assert take(parts, older(subscription())["items"]["data"][0]["plan"], MAR).outcome in ("changed", "unchanged")
    take(parts, subscription())
    assert len(parts.store.plans.all()) == 1


@pytest.mark.parametrize("thing", [{"object": "charge", "id": "ch_1"}, {"object": "invoice"}, {}, {"object": ["x"]}])
def test_what_is_not_mirrored_is_ignored(parts, thing):
    """Other objects, and an invoice that is only a preview."""
    sent = event({"object": "invoice"}) | {"data": {"object": thing}}
    assert mirror.event(parts, sent, By("stripe")).outcome == "ignored"
