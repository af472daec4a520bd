"""The filter table: everything that can narrow a question, one row each.

A row says the parameter's name, the label of its form field, how it masks the columns, and the phrase that names it
in a sentence. The form, the engine, the docs and their tests all read this table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.amounts import MAX_SCALED
from fluxrate.core.columns.coding import MOST_KEYS, Coder
from fluxrate.core.columns.frame import Frame
from fluxrate.core.errors import RuleBroken
from fluxrate.core.model import Meter
from fluxrate.core.query import Query
from fluxrate.core.text import show

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a mask may look at beside the columns: the query, its customers resolved to keys, the meter, the
    dictionaries.
    """

    query: Query
    customer_pks: tuple[int, ...]
    meter: Meter
    coder: Coder


@dataclass(frozen=True, slots=True)
class Filter:
    """One row of the table; `mask` gives None where the query does not use the filter."""

    name: str
    label: str
    help: str
    mask: Callable[[Frame, Scope], Mask | None]
    phrase: Callable[[Query], str | None]


def _customers(frame: Frame, scope: Scope) -> Mask | None:
    if not scope.customer_pks:
        return None
    if len(scope.customer_pks) == 1:
        return np.equal(frame.customer, scope.customer_pks[0])
    return np.isin(frame.customer, np.array(scope.customer_pks, np.int32))


def _at_least(frame: Frame, scope: Scope) -> Mask | None:
    bound = scope.query.min_quantity
    if bound is None:
        return None
    return frame.quantity >= _within(math.ceil(Fraction(bound) * 10**scope.meter.decimals))


def _at_most(frame: Frame, scope: Scope) -> Mask | None:
    bound = scope.query.max_quantity
    if bound is None:
        return None
    return frame.quantity <= _within(math.floor(Fraction(bound) * 10**scope.meter.decimals))


def _within(scaled: int) -> np.uint64:
    # A bound beyond every stored quantity must stay beyond it: uint64 holds one more than the largest int64, and
    # numpy compares the two exactly.
    return np.uint64(min(scaled, MAX_SCALED + 1))


def _as_of(frame: Frame, scope: Scope) -> Mask | None:
    as_of = scope.query.as_of
    if as_of is None or not len(frame) or int(frame.seq.max()) <= as_of:
        return None
    return frame.seq <= as_of


def _all(masks: Sequence[Mask]) -> Mask | None:
    return np.logical_and.reduce(masks) if masks else None


def _metadata(frame: Frame, scope: Scope) -> Mask | None:
    try:
        return _all([scope.coder.rows_with(frame, key, values) for key, values in scope.query.meta])
    except KeyError as unknown:
        key = show(unknown.args[0])
        raise RuleBroken(f"Metadata is indexed by {MOST_KEYS} keys, and {key} is none of them.", field="meta") from None


FILTERS: tuple[Filter, ...] = (
    Filter(
        "customer_id",
        "Customer",
        "An id or external id of a customer; given several times, any of them.",
        _customers,
        lambda query: f"of {', '.join(query.customers)}" if query.customers else None,
    ),
    Filter(
        "min_quantity",
        "Minimum quantity",
        "Only events of at least this quantity.",
        _at_least,
        lambda query: f"of at least {query.min_quantity}" if query.min_quantity is not None else None,
    ),
    Filter(
        "max_quantity",
        "Maximum quantity",
        "Only events of at most this quantity.",
        _at_most,
        lambda query: f"of at most {query.max_quantity}" if query.max_quantity is not None else None,
    ),
    Filter(
        "meta.KEY",
        "Metadata",
        "Only events whose metadata has this value under KEY, which may be a dotted path; several times: any of the "
        "values of a key, and all of the keys.",
        _metadata,
        lambda query: " and ".join(f"with {key} {' or '.join(values)}" for key, values in query.meta) or None,
    ),
    Filter(
        "as_of",
        "As of",
        "Answer as it was at this ingest sequence, or at this instant; later arrivals are left out.",
        _as_of,
        lambda query: f"as of sequence {query.as_of}" if query.as_of is not None else None,
    ),
)


def meter_mask(frame: Frame, meter: Meter, coder: Coder) -> Mask | None:
    """Which rows pass the meter's own filters; None when it has none."""
    return _all([coder.rows_with(frame, own.key, own.values) for own in meter.filters])


def looks_at_rows(query: Query, newest: int) -> bool:
    """Whether a filter of the query has to look at rows one by one, where the newest has this sequence."""
    quantities = query.min_quantity is not None or query.max_quantity is not None
    return bool(query.customers or query.meta) or quantities or (query.as_of is not None and query.as_of < newest)


def narrow(frame: Frame, scope: Scope) -> Frame:
    """The rows that pass every filter of the query; the frame itself when none is in use."""
    mask: NDArray[Any] | None = None
    for row in FILTERS:
        found = row.mask(frame, scope)
        if found is not None:
            mask = found if mask is None else mask & found
    return frame if mask is None else frame.take(mask)
