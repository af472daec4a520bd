"""What a subscription looks like on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from marshmallow import Schema, fields, validate

from fluxrate.core.amounts import to_number
from fluxrate.core.calendar import rfc3339
from fluxrate.core.model import Customer, Number
from fluxrate.core.revenue.model import DISCOUNT_PLACES, SUBSCRIPTION_STATUSES, State, Subscription
from fluxrate.core.store import Store
from fluxrate.http.money import DecimalField
from fluxrate.http.parameters import TableArgs
from fluxrate.http.schemas import listing_schema
from fluxrate.http.sheets import Cell

_STATUS = {"enum": list(SUBSCRIPTION_STATUSES)}
_CUSTOMER = {"description": "Id or external id of the customer."}
_PLAN = {"description": "Id or external id of the plan."}
_EFFECTIVE = "From when on it counts; now unless said, at most a minute ahead, not before the change before it."


def _instant(help_text: str) -> fields.String:
    return fields.String(allow_none=True, metadata={"description": help_text, "example": "2025-01-31T10:00:00Z"})


class SubscriptionChangeSchema(Schema):
    """What may be changed of a subscription."""

    plan_id = fields.String(metadata=_PLAN)
    status = fields.String(metadata=_STATUS)
    quantity = fields.Integer(strict=True, validate=validate.Range(0, 1_000_000_000))
    discount_percent = DecimalField("Off every fixed charge, 0 to 100.", allow_none=True)
    trial_end = _instant("When the trial ends.")
    current_period_start = _instant("When the period that is billed next began.")
    current_period_end = _instant("When it ends.")
    canceled_at = _instant("When it was canceled.")
    effective_at = _instant(_EFFECTIVE)


class SubscriptionPutSchema(SubscriptionChangeSchema):
    """A subscription as the biller has it; what is not sent stays, or has its default where it is new."""

    customer_id = fields.String(required=True, metadata=_CUSTOMER)
    plan_id = fields.String(required=True, metadata=_PLAN)
    start_date = _instant("When it began; now unless said.")


class SubscriptionCreateSchema(SubscriptionPutSchema):
    """What makes a subscription."""

    external_id = fields.String(load_default=None, allow_none=True, metadata={"description": "The biller's own id."})


class StateSchema(Schema):
    """What a subscription was from `effective_at` on."""

    effective_at = fields.DateTime()
    status = fields.String(metadata=_STATUS)
    plan_id = fields.UUID()
    quantity = fields.Integer()
    discount_percent = fields.Decimal()


class SubscriptionSchema(Schema):
    """A subscription."""

    id = fields.UUID()
    external_id = fields.String(allow_none=True)
    customer_id = fields.UUID()
    customer_external_id = fields.String()
    plan_id = fields.UUID()
    status = fields.String(metadata=_STATUS)
    currency = fields.String()
    quantity = fields.Integer()
    discount_percent = fields.Decimal()
    start_date = fields.DateTime()
    trial_end = fields.DateTime(allow_none=True)
    current_period_start = fields.DateTime(allow_none=True)
    current_period_end = fields.DateTime(allow_none=True)
    canceled_at = fields.DateTime(allow_none=True)
    created_at = fields.DateTime()
    updated_at = fields.DateTime()


COLUMNS = tuple(SubscriptionSchema().fields)
SubscriptionListSchema = listing_schema(SubscriptionSchema)


class SubscriptionWithHistorySchema(SubscriptionSchema):
    """A subscription with all it was."""

    history = fields.List(fields.Nested(StateSchema))


class CustomerSubscriptionsArgs(TableArgs):
    """Which of a customer's subscriptions."""

    status = fields.String(metadata=_STATUS)
    plan_id = fields.String(metadata=_PLAN)
    currency = fields.String(metadata={"example": "USD", "description": "Only this currency."})


class SubscriptionListArgs(CustomerSubscriptionsArgs):
    """Which subscriptions."""

    customer_id = fields.String(metadata=_CUSTOMER)


def shapes(store: Store, rows: Sequence[Subscription]) -> list[dict[str, Any]]:
    """Subscriptions of a list."""
    customers = store.customers.by_pks(row.customer_pk for row in rows)
    plans = store.plans.ids_of([row.plan_pk for row in rows])
    return [_shape(row, customers[row.customer_pk], plans) for row in rows]


def rows_of(store: Store, rows: Sequence[Subscription]) -> Iterator[list[Cell]]:
    """Subscriptions of a table, with the fields of a list."""
    return ([shape[name] for name in COLUMNS] for shape in shapes(store, rows))


def shape_with_history(store: Store, row: Subscription) -> dict[str, Any]:
    """One subscription with what it was."""
    history = store.subscriptions.history(row.pk)
    customers = store.customers.by_pks([row.customer_pk])
    plans = store.plans.ids_of([row.plan_pk, *(state.plan_pk for state in history)])
    return _shape(row, customers[row.customer_pk], plans) | {"history": list(_states(history, plans))}


def _shape(row: Subscription, customer: Customer, plans: Mapping[int, str]) -> dict[str, Any]:
    return {
        "id": row.id,
        "external_id": row.external_id,
        "customer_id": customer.id,
        "customer_external_id": customer.external_id,
        "plan_id": plans[row.plan_pk],
        "status": row.status,
        "currency": row.currency,
        "quantity": row.quantity,
        "discount_percent": _percent(row.discount),
        "start_date": rfc3339(row.start),
        "trial_end": _when(row.trial_end),
        "current_period_start": _when(row.period_start),
        "current_period_end": _when(row.period_end),
        "canceled_at": _when(row.canceled_at),
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }


def _states(history: Sequence[State], plans: Mapping[int, str]) -> Iterable[dict[str, Any]]:
    for state in history:
        yield {
            "effective_at": rfc3339(state.at),
            "status": state.status,
            "plan_id": plans[state.plan_pk],
            "quantity": state.quantity,
            "discount_percent": _percent(state.discount),
        }


def _percent(discount: int) -> Number:
    return to_number(discount, DISCOUNT_PLACES)


def _when(instant: int | None) -> str | None:
    return None if instant is None else rfc3339(instant)
