"""What a quantity of usage costs by a USAGE charge: exactly, and rounded half-even to the minor unit once.

A unit price is times the quantity. `graduated` tiers each price the part of the quantity that lies within them, and add
their flat amount where any part does; of `volume` tiers the one that the whole quantity lies within prices all of it,
and adds its flat amount. A quantity of nothing costs nothing: it lies in no tier.

`Tariff.prices` is the same for thousands of quantities: within a tier the price is a line, so each is one search, one
multiplication and one addition of integers, which are Python's own where 64 bits might not hold them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.amounts import to_number
from fluxrate.core.model import Number
from fluxrate.core.revenue import money
from fluxrate.core.revenue.model import Charge

QUANTITY_PLACES = 24
"""The most places of a quantity: 18 of a meter, and six more of an average."""

_PLACES = QUANTITY_PLACES + money.PRICE_PLACES
FITS = 2**62
"""What two of are below fits 64 bits."""

Values = NDArray[Any]
"""Integers: int64 where they surely fit, else Python's own."""


@dataclass(frozen=True, slots=True)
class TierPrice:
    """What one tier (or, without tiers, the unit price) has of a quantity, and what that costs in the currency's own
    unit, exact and unrounded. The tier begins beyond `above` and ends with `up_to` (None: without end).
    """

    above: Number
    up_to: Number | None
    quantity: Number
    unit_price: Decimal
    flat_amount: int
    amount: Number


@dataclass(frozen=True, slots=True)
class _Tier:
    above: int
    up_to: int | None
    unit_price: int
    flat: int
    sent_price: Decimal
    flat_minor: int


class Tariff:
    """A USAGE charge, ready to price quantities in its currency."""

    def __init__(self, charge: Charge, currency: str) -> None:
        self._digits = money.places(currency)
        self._minor: int = 10 ** (_PLACES - self._digits)
        self._lines: dict[int, _Line] = {}
        self._volume = charge.tier_mode == "volume"
        tiers = [(tier.up_to, tier.unit_price, tier.flat_amount) for tier in charge.tiers]
        self._tiers = self._read(tiers or [(None, charge.unit_price or Decimal(0), 0)])

    def price(self, quantity: Number | None) -> int:
        """What a quantity costs in minor units; None is nothing."""
        return self.price_scaled(scaled(quantity))

    def price_scaled(self, quantity: int) -> int:
        """What a quantity costs that is scaled to QUANTITY_PLACES."""
        exact = sum(part * tier.unit_price + tier.flat for tier, part in self._parts(quantity))
        whole, rest = divmod(exact, self._minor)
        return whole + (2 * rest > self._minor or (2 * rest == self._minor and whole & 1))

    def prices(self, quantities: Values, places: int) -> Values:
        """What each quantity, scaled to so many places, costs in minor units."""
        line = self._lines.get(places)
        if line is None:
            line = self._lines[places] = _Line(self._tiers, self._volume, places, self._digits)
        return line.prices(quantities)

    def by_tier(self, quantity: Number | None) -> tuple[TierPrice, ...]:
        """The parts that a quantity falls into, each with what it costs; none of nothing."""
        return tuple(
            TierPrice(
                to_number(tier.above, QUANTITY_PLACES),
                None if tier.up_to is None else to_number(tier.up_to, QUANTITY_PLACES),
                to_number(part, QUANTITY_PLACES),
                tier.sent_price,
                tier.flat_minor,
                to_number(part * tier.unit_price + tier.flat, _PLACES),
            )
            for tier, part in self._parts(scaled(quantity))
        )

    def _parts(self, quantity: int) -> list[tuple[_Tier, int]]:
        reached = [tier for tier in self._tiers if tier.above < quantity]
        if not reached:
            return []
        if self._volume:
            return [(reached[-1], quantity)]
        return [
            (tier, (quantity if tier.up_to is None else min(quantity, tier.up_to)) - tier.above) for tier in reached
        ]

    def _read(self, tiers: Sequence[tuple[Decimal | None, Decimal, int]]) -> tuple[_Tier, ...]:
        found, above = [], 0
        for up_to, unit_price, flat in tiers:
            end = None if up_to is None else scaled(up_to)
            each = _integer(unit_price, money.PRICE_PLACES)
            found.append(_Tier(above, end, each, flat * self._minor, unit_price, flat))
            above = end or 0
        return tuple(found)


class _Line:
    """The price of quantities of so many places as a line for each tier: `slope` times the quantity, plus `shift`."""

    def __init__(self, tiers: Sequence[_Tier], volume: bool, places: int, digits: int) -> None:
        lines: list[tuple[Fraction, Fraction]] = []
        below = Fraction(0)
        for tier in tiers:
            above, up_to = (Fraction(edge or 0, 10**QUANTITY_PLACES) for edge in (tier.above, tier.up_to))
            each, flat = Fraction(tier.sent_price), Fraction(tier.flat_minor, 10**digits)
            shift = flat if volume else below + flat - above * each
            lines.append((each, shift))
            below = each * up_to + shift
        # Enough places for every line, and for the minor unit.
        scale = max(
            digits, *(_places_of(each) + places for each, _ in lines), *(_places_of(shift) for _, shift in lines)
        )
        self._edges = [tier.above * 10**places // 10**QUANTITY_PLACES for tier in tiers]
        self._slopes = [int(each * 10 ** (scale - places)) for each, _ in lines]
        self._shifts = [int(shift * 10**scale) for _, shift in lines]
        self._minor: int = 10 ** (scale - digits)

    def prices(self, quantities: Values) -> Values:
        """The price of each, rounded half-even."""
        if not len(quantities):
            return quantities
        reach = int(quantities.max()) * max(self._slopes) + max(map(abs, self._shifts))
        dtype = np.int64 if max(reach, self._minor, *self._edges) < FITS else object
        # A quantity beyond a tier's beginning lies within it; both are whole at this scale, the edge rounded down.
        tier = np.searchsorted(np.array(self._edges, dtype), quantities.astype(dtype), "left") - 1
        slopes, shifts = (np.array(column, dtype)[np.maximum(tier, 0)] for column in (self._slopes, self._shifts))
        exact = np.where(tier < 0, 0, quantities * slopes + shifts)
        whole, rest = exact // self._minor, exact % self._minor
        up = (2 * rest > self._minor) | ((2 * rest == self._minor) & (whole % 2 == 1))
        found: Values = whole + up
        return found


def _places_of(value: Fraction) -> int:
    """The decimal places that the value has, which are not without end."""
    places = 0
    while (value * 10**places).denominator > 1:
        places += 1
    return places


def integers(quantities: Sequence[Number | None], places: int) -> Values:
    """Quantities scaled to so many places, which they do not have more of; None is nothing."""
    power = 10**places
    with localcontext(Context(prec=200, traps=[Inexact])):
        found = [
            value * power if isinstance(value, int) else 0 if value is None else int(value.scaleb(places))
            for value in quantities
        ]
    return np.array(found, np.int64 if max(found, default=0) < FITS else object)


def most(values: Values) -> int:
    """The largest of values that are not negative."""
    return int(values.max(initial=0))


def scaled(quantity: Number | None) -> int:
    """A quantity as an integer of QUANTITY_PLACES; None is nothing."""
    if not quantity:
        return 0
    return quantity * 10**QUANTITY_PLACES if isinstance(quantity, int) else _integer(quantity, QUANTITY_PLACES)


def _integer(value: Decimal, places: int) -> int:
    """The decimal times ten to the places, which it does not have more of. By its digits: operations on a Decimal round
    to 28 digits.
    """
    _, digits, exponent = value.as_tuple()
    whole = int("".join(map(str, digits)))
    # Zeros at the end may be more places than there are; what is cut off is nothing.
    shift = int(exponent) + places
    power: int = 10 ** abs(shift)
    return whole * power if shift >= 0 else whole // power
