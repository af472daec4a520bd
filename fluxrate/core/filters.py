"""The filter table: everything that can narrow a question, one row each.

A row says the parameter's name, the label of its form field, how it picks rows of the columns, and the phrase that
names it in a sentence. The form, the engine, the docs and their tests all read this table. A filter that asks for
equality gives the codes of a key, which an index finds; the others look at rows one by one through a mask.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.amounts import MAX_SCALED
from fluxrate.core.columns.coding import MOST_KEYS, MOST_VALUES, Coder
from fluxrate.core.columns.frame import Frame, Some
from fluxrate.core.columns.keys import CUSTOMER, Key
from fluxrate.core.columns.types import Codes
from fluxrate.core.errors import RuleBroken
from fluxrate.core.model import Meter
from fluxrate.core.query import Query
from fluxrate.core.text import show

Mask = NDArray[np.bool_]
Lane = tuple[Key, tuple[int, ...]]
"""A key, and the codes of it of which rows have one."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a filter may look at beside the columns: the query, its customers resolved to keys, the meter, the
    dictionaries.
    """

    query: Query
    customer_pks: tuple[int, ...]
    meter: Meter
    coder: Coder


def _no_lanes(scope: Scope) -> list[Lane]:
    return []


@dataclass(frozen=True, slots=True)
class Filter:
    """One row of the table. `lanes` and `mask` give nothing where the query does not use the filter; `voided` and
    `as_of` have neither: what is voided stands beside the rows, and `as_of` chooses the state that is asked.
    """

    name: str
    label: str
    help: str
    phrase: Callable[[Query], str | None]
    lanes: Callable[[Scope], list[Lane]] = _no_lanes
    mask: Callable[[Frame | Some, Scope], Mask | None] = lambda frame, scope: None


def _customers(scope: Scope) -> list[Lane]:
    return [(CUSTOMER, tuple(sorted(scope.customer_pks)))] if scope.customer_pks else []


def _at_least(frame: Frame | Some, scope: Scope) -> Mask | None:
    least = _least(scope)
    return None if least is None else frame.quantity >= _within(least)


def _at_most(frame: Frame | Some, scope: Scope) -> Mask | None:
    most = _most(scope)
    return None if most is None else frame.quantity <= _within(most)


def _least(scope: Scope) -> int | None:
    bound = scope.query.min_quantity
    return None if bound is None else math.ceil(Fraction(bound) * 10**scope.meter.decimals)


def _most(scope: Scope) -> int | None:
    bound = scope.query.max_quantity
    return None if bound is None else math.floor(Fraction(bound) * 10**scope.meter.decimals)


def _within(scaled: int) -> np.signedinteger | np.unsignedinteger:
    # A bound beyond every stored quantity must stay beyond it: uint64 holds one more than the largest int64. It is
    # taken for such a bound alone, because numpy compares unlike types several times more slowly.
    return np.int64(scaled) if scaled <= MAX_SCALED else np.uint64(MAX_SCALED + 1)


def _metadata(scope: Scope) -> list[Lane]:
    found = [(key, scope.coder.find(key, values)) for key, values in scope.query.meta]
    # Asked afterwards: a key that is closed at this moment was not found, and that is no answer.
    return [(metadata_key(key, scope.coder), codes) for key, codes in found]


def metadata_key(key: str, coder: Coder) -> Key:
    """The key of a metadata column. Raises RuleBroken for one that is not indexed."""
    if key in coder.closed:
        said = (
            f"Metadata is indexed up to {MOST_VALUES:,} different values, and {show(key)} has too many to be indexed."
        )
        raise RuleBroken(said, field="meta")
    if coder.passes_over(key):
        raise RuleBroken(f"Metadata is indexed by {MOST_KEYS} keys, and {show(key)} is none of them.", field="meta")
    return Key((key,))


FILTERS: tuple[Filter, ...] = (
    Filter(
        "customer_id",
        "Customer",
        "An id or external id of a customer; given several times, any of them.",
        lambda query: f"of {', '.join(query.customers)}" if query.customers else None,
        lanes=_customers,
    ),
    Filter(
        "min_quantity",
        "Minimum quantity",
        "Only events of at least this quantity.",
        lambda query: f"of at least {query.min_quantity}" if query.min_quantity is not None else None,
        mask=_at_least,
    ),
    Filter(
        "max_quantity",
        "Maximum quantity",
        "Only events of at most this quantity.",
        lambda query: f"of at most {query.max_quantity}" if query.max_quantity is not None else None,
        mask=_at_most,
    ),
    Filter(
        "meta.KEY",
        "Metadata",
        "Only events whose metadata has this value under KEY, which may be a dotted path; several times: any of the "
        "values of a key, and all of the keys.",
        lambda query: " and ".join(f"with {key} {' or '.join(values)}" for key, values in query.meta) or None,
        lanes=_metadata,
    ),
    Filter(
        "voided",
        "Voided",
        "Of a list of events only voided ones (`true`) or only those that count (`false`).",
        lambda query: None if query.voided is None else "that are voided" if query.voided else "that are not voided",
    ),
    Filter(
        "as_of",
        "As of",
        "Answer as it was at this ingest sequence, or at this instant; later arrivals are left out.",
        lambda query: f"as of sequence {query.as_of}" if query.as_of is not None else None,
    ),
)


_WITH_LANES = tuple(row.lanes for row in FILTERS if row.lanes is not _no_lanes)


def lanes(scope: Scope) -> list[Lane]:
    """What the query asks to be equal: rows must have one of the codes of each key."""
    return [lane for find in _WITH_LANES for lane in find(scope)]


def mask(frame: Frame | Some, scope: Scope) -> Mask | None:
    """Which rows pass the filters that look at rows one by one; None when none is in use."""
    return _all([found for row in FILTERS if (found := row.mask(frame, scope)) is not None])


def looks_at_rows(query: Query) -> bool:
    """Whether a filter that looks at rows one by one is in use."""
    return query.min_quantity is not None or query.max_quantity is not None


def bounds(scope: Scope) -> tuple[int, int]:
    """The least and the most quantity that the query lets pass, in the meter's smallest unit: all that the filters say
    which look at rows.
    """
    least, most = _least(scope), _most(scope)
    return 0 if least is None else least, MAX_SCALED if most is None else most


def in_lanes(frame: Frame | Some, wanted: Sequence[Lane]) -> Mask | None:
    """Which rows have one of the codes of each key; None when nothing is wanted."""
    return _all([_has(frame.column(key), codes) for key, codes in wanted])


def meter_mask(frame: Frame | Some, meter: Meter, coder: Coder) -> Mask | None:
    """Which rows pass the meter's own filters; None when it has none."""
    return in_lanes(frame, [(Key((own.key,)), coder.find(own.key, own.values)) for own in meter.filters])


def _has(column: Codes, codes: Sequence[int]) -> Mask:
    if len(codes) == 1:
        return np.equal(column, np.int32(codes[0]))
    return np.isin(column, np.array(codes, np.int32))


def _all(masks: Sequence[Mask]) -> Mask | None:
    return np.logical_and.reduce(masks) if masks else None
