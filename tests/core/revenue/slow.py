"""What MRR is, in plain Python that goes through every subscription at every moment: the judge of the fast one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

from fluxrate.core.revenue.model import Plan, State

MONTHS = {"month": Fraction(1), "year": Fraction(1, 12), "week": Fraction(52, 12), "day": Fraction(365, 12)}


def carried(state: State | None, plans: dict[int, Plan]) -> int:
    """The MRR of one subscription in this state, by way of Decimal rounding."""
    if state is None or state.status not in ("ACTIVE", "PAST_DUE"):
        return 0
    plan = plans[state.plan_pk]
    exact = Fraction(0)
    for charge in plan.charges:
        if charge.charge_type == "FIXED" and charge.status == "ACTIVE":
            exact += charge.amount * MONTHS[plan.billing_interval] / plan.interval_count
    exact = exact * state.quantity * Fraction(1_000_000 - state.discount, 1_000_000)
    with localcontext() as context:
        context.prec = 60
        decimal = Decimal(exact.numerator) / Decimal(exact.denominator)
        return int(decimal.quantize(Decimal(1), ROUND_HALF_EVEN))


def before(history: Sequence[State], instant: int) -> State | None:
    """What was in force just before the instant."""
    found = None
    for state in history:
        if state.at < instant:
            found = state
    return found


def total(histories: dict[int, list[State]], plans: dict[int, Plan], currency: str, instant: int) -> tuple[int, int]:
    """The MRR and the active subscriptions of one currency just before the instant."""
    mrr = active = 0
    for history in histories.values():
        state = before(history, instant)
        if state is not None and plans[state.plan_pk].currency == currency:
            mrr += carried(state, plans)
            active += state.status in ("ACTIVE", "PAST_DUE")
    return mrr, active


def movements(
    histories: dict[int, list[State]], plans: dict[int, Plan], currency: str, edges: Sequence[int]
) -> list[dict[str, int]]:
    """What moved in each bucket, change by change."""
    found = [dict.fromkeys(("new", "expansion", "contraction", "churn", "reactivation"), 0) for _ in edges[1:]]
    for history in histories.values():
        last, ever = 0, False
        for instant in sorted({state.at for state in history}):
            state = before(history, instant + 1)
            if plans[state.plan_pk].currency != currency:
                continue
            now = carried(state, plans)
            if now > last:
                kind = "expansion" if last else "reactivation" if ever else "new"
            else:
                kind = "contraction" if now else "churn"
            place = bisect_left(edges, instant + 1) - 1
            if 0 <= place < len(found):
                found[place][kind] += now - last
            last, ever = now, ever or now > 0
    return found
