"""What every subscription carried since when, kept from one question to the next.

States of subscriptions are only added, and taken away with their subscription: so their number and their last key say
whether what is kept is still all there is, and if not, whether those with later keys are all that is missing. Else
everything is read again.
"""

from __future__ import annotations

from dataclasses import dataclass

from fluxrate.core.revenue import mrr
from fluxrate.core.revenue.mrr import Step, Steps
from fluxrate.core.store import Store


@dataclass(frozen=True, slots=True)
class _Kept:
    count: int = 0
    last: int = 0
    """The last key that any state had, and how many states there were."""
    steps: tuple[Steps, ...] = ()


class Timeline:
    """The steps of one store's subscriptions, safe to use from many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept = _Kept()

    def steps(self) -> tuple[Steps, ...]:
        """The steps of each currency, by its code."""
        kept = self._kept
        count, last = self._store.subscriptions.edition()
        if (count, last) != (kept.count, kept.last):
            # Read up to the edition's last key, so that what is added meanwhile is seen as missing the next time.
            newer = self._store.subscriptions.histories(kept.last, last)
            if kept.count + len(newer) == count:
                kept = _Kept(count, last, self._with(kept.steps, newer))
            else:
                kept = _Kept(count, last, self._with((), self._store.subscriptions.histories(0, last)))
            self._kept = kept
        return kept.steps

    def _with(self, steps: tuple[Steps, ...], rows: list[tuple[int, int, str, int, int, int]]) -> tuple[Steps, ...]:
        # The plans after the states: whatever these point at was there before them.
        plans = {plan.pk: plan for plan in self._store.plans.all()}
        customers = self._store.subscriptions.customers(sorted({row[0] for row in rows}))
        found: dict[str, list[Step]] = mrr.steps_of([row for row in rows if row[0] in customers], plans, customers)
        known = {each.currency: each for each in steps}
        every = sorted(known.keys() | found.keys())
        return tuple(mrr.extended(known.get(code), code, found.get(code, [])) for code in every)
