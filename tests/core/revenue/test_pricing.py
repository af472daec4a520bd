"""Prices against plain fractions on generated tiers, and the edges of tiers by hand."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from fluxrate.core.revenue import money
from fluxrate.core.revenue.model import Charge, Tier
from fluxrate.core.revenue.pricing import QUANTITY_PLACES, Tariff, integers, scaled


def usage(*tiers: Tier, mode: str | None = None, unit_price: str | None = None) -> Charge:
    each = None if unit_price is None else Decimal(unit_price)
    return Charge("USAGE", "calls", meter_id="m", unit_price=each, tier_mode=mode, tiers=tiers)


def slow(charge: Charge, quantity, currency: str) -> int:
    """Unit by unit of thought: each tier's part of the quantity times its price, added as fractions, rounded once."""
    left = Fraction(quantity or 0)
    exact = Fraction(0)
    minor = 10 ** money.places(currency)
    if not charge.tiers:
        exact = left * Fraction(charge.unit_price) * minor
    elif charge.tier_mode == "volume" and left:
        tier = next(tier for tier in charge.tiers if tier.up_to is None or left <= Fraction(tier.up_to))
        exact = left * Fraction(tier.unit_price) * minor + tier.flat_amount
    elif charge.tier_mode == "graduated":
        below = Fraction(0)
        for tier in charge.tiers:
            width = left if tier.up_to is None else min(left, Fraction(tier.up_to) - below)
            if width > 0:
                exact += width * Fraction(tier.unit_price) * minor + tier.flat_amount
                left -= width
            below = Fraction(tier.up_to or 0)
    with localcontext() as context:
        context.prec = 120
        return int((Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(Decimal(1), ROUND_HALF_EVEN))


def number(rng: random.Random, places: int, most: int):
    """An integer, or a decimal of so many places."""
    value = Decimal(rng.randint(0, most)).scaleb(-rng.randint(0, places))
    return int(value) if value == int(value) else value


@pytest.mark.parametrize("part", range(4))
def test_generated_tiers(part):
    """Quantities of up to 18 places within, beyond and on the edges of up to five tiers, in four currencies."""
    rng = random.Random(part)
    for _ in range(500):
        currency = rng.choice(("USD", "JPY", "KWD", "CLF"))
        edges = sorted({Decimal(number(rng, 6, 10 ** rng.randint(1, 12)) or 1) for _ in range(rng.randint(0, 4))})
        tiers = tuple(
            Tier(edge, Decimal(number(rng, 12, 10**9)), rng.choice((0, 0, rng.randint(1, 99_999))))
            for edge in (*edges, None)
        )
        mode = rng.choice(("graduated", "volume"))
        charge = usage(*tiers, mode=mode) if rng.random() < 0.8 else usage(unit_price=str(number(rng, 12, 10**9)))
        tariff = Tariff(charge, currency)
        near = [edge + Decimal(rng.choice((-1, 0, 1))).scaleb(-18) for edge in edges]
        for quantity in (None, 0, number(rng, 18, 10**24), number(rng, 3, 10**9), *near):
            assert tariff.price(quantity) == slow(charge, quantity, currency)
            wide = np.array([scaled(quantity)], object)
            assert tariff.prices(wide, QUANTITY_PLACES).tolist() == [slow(charge, quantity, currency)]
            parts = tariff.by_tier(quantity)
            exact = sum((Fraction(each.amount) for each in parts), Fraction(0))
            assert round(exact * 10 ** money.places(currency)) == tariff.price(quantity)
            assert sum((Fraction(each.quantity) for each in parts), Fraction(0)) == Fraction(quantity or 0)
            for each in parts:
                flat = Fraction(each.flat_amount, 10 ** money.places(currency))
                assert Fraction(each.amount) == Fraction(each.quantity) * Fraction(each.unit_price) + flat


TIERS = (Tier(Decimal(100), Decimal("0.10"), 0), Tier(Decimal(200), Decimal("0.05"), 300), Tier(None, Decimal("0.01")))


@pytest.mark.parametrize("part", range(2))
def test_many_at_once(part):
    """Thousands of quantities as 64-bit integers, or wider where these would overflow, are priced as one by one."""
    rng = random.Random(part)
    for _ in range(60):
        places = rng.choice((0, 2, 6))
        edges = sorted({Decimal(number(rng, rng.choice((0, 2, 12)), 10 ** rng.randint(1, 9)) or 1) for _ in range(3)})
        prices = [Decimal(number(rng, rng.choice((2, 4, 12)), 10**6)) for _ in range(4)]
        tiers = tuple(
            Tier(edge, price, rng.choice((0, 7))) for edge, price in zip((*edges, None), prices, strict=False)
        )
        charge = usage(*tiers, mode=rng.choice(("graduated", "volume")))
        most = 10 ** rng.randint(1, 17)
        values = [number(rng, places, most) for _ in range(30)] + [0, None, *(int(edge) for edge in edges)]
        tariff = Tariff(charge, "USD")
        found = tariff.prices(integers(values, places), places)
        assert found.tolist() == [slow(charge, value, "USD") for value in values] == [*map(tariff.price, values)]


@pytest.mark.parametrize(
    ("mode", "quantity", "cents"),
    [
        ("graduated", 0, 0),
        ("graduated", 100, 1_000),
        ("graduated", Decimal("100.01"), 1_300),
        ("graduated", 101, 1_305),
        ("graduated", 200, 1_800),
        ("graduated", 1_000, 2_600),
        ("volume", 0, 0),
        ("volume", 100, 1_000),
        ("volume", 101, 805),
        ("volume", 200, 1_300),
        ("volume", 1_000, 1_000),
    ],
)
def test_the_edges_of_tiers(mode, quantity, cents):
    """`up_to` lies within its tier; a flat amount is due once usage reaches into its tier, and nothing for nothing."""
    assert Tariff(usage(*TIERS, mode=mode), "USD").price(quantity) == cents


@pytest.mark.parametrize(("quantity", "cents"), [(1, 0), (3, 2), (5, 2), (7, 4), (Decimal("1.000001"), 1)])
def test_half_a_cent_goes_to_the_even_one_and_is_rounded_once(quantity, cents):
    assert Tariff(usage(unit_price="0.005"), "USD").price(quantity) == cents


def test_the_parts_of_a_price():
    """What each tier has, unrounded."""
    parts = Tariff(usage(*TIERS, mode="graduated"), "USD").by_tier(Decimal("150.5"))
    assert [(each.above, each.up_to, str(each.quantity), str(each.amount)) for each in parts] == [
        (0, 100, "100", "10"),
        (100, 200, "50.5", "5.525"),
    ]
    (whole,) = Tariff(usage(*TIERS, mode="volume"), "USD").by_tier(150)
    assert (whole.above, whole.up_to, whole.quantity, str(whole.amount)) == (100, 200, 150, "10.5")
    (only,) = Tariff(usage(unit_price="2"), "USD").by_tier(3)
    assert (only.above, only.up_to, only.quantity, only.amount) == (0, None, 3, 6)
    assert Tariff(usage(unit_price="2"), "USD").by_tier(0) == ()
