"""What revenue figures are asked with: the parameters of the reference, and what each request makes of them."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema

from fluxrate.core import calendar
from fluxrate.core.calendar import Window
from fluxrate.core.errors import Malformed
from fluxrate.core.query import FLAGS, choice
from fluxrate.core.revenue import money
from fluxrate.core.revenue.behind import MOST_ITEMS
from fluxrate.core.revenue.mrr import MOVEMENTS
from fluxrate.core.revenue.parts import BILLING_PERIODS
from fluxrate.core.revenue.periods import EVER
from fluxrate.core.revenue.words import day
from fluxrate.core.services import Services
from fluxrate.core.zones import day_start
from fluxrate.http.parameters import FormatArgs, TimezoneArgs, WholeField, choice_field, query_of, text_field, wants_csv


class LimitArgs(Schema):
    """How many rows there are at most, of each currency."""

    limit = WholeField(1, MOST_ITEMS, load_default=1_000)


class AsOfArgs(Schema):
    """What is known of usage."""

    as_of = text_field(
        "With the usage known at this ingest sequence, or at this instant; what arrived later is left out.",
        example="1024",
    )


class RevenueArgs(FormatArgs):
    """What every revenue figure takes."""

    timezone = text_field("IANA name of the zone that dates and buckets are in; UTC unless said.")
    currency = text_field("Only this currency; all of them unless said, never added together.", example="USD")


class WindowArgs(RevenueArgs):
    """A window."""

    start_date = text_field("A date, or an instant; 30 days before the end unless said.", example="2025-01-01")
    end_date = text_field("A date (the whole of it counts), or an instant; now unless said.", example="2025-01-31")


class SeriesArgs(WindowArgs):
    """A window in buckets."""

    group_by = choice_field("A point at the end of each of these.", calendar.GROUPS, "day")


class UsageArgs(SeriesArgs, AsOfArgs):
    """The buckets in which billing periods ended."""


class ChangesArgs(WindowArgs, LimitArgs):
    """Which changes."""

    kind = choice_field("Only the changes of this movement.", MOVEMENTS, None)


class PointArgs(RevenueArgs, LimitArgs):
    """At the end of which day or at which instant."""

    end_date = text_field("A date (its end), or an instant; now unless said.", example="2025-01-31")


class RetentionArgs(WindowArgs, LimitArgs):
    """Between which two moments, and which subscriptions."""

    lost = choice_field("Only those that are lost (true), or only those that are not (false).", FLAGS, None)


class BilledPeriodsArgs(WindowArgs, LimitArgs, AsOfArgs):
    """The window in which billing periods ended."""


class AtRiskArgs(RevenueArgs, LimitArgs):
    """Which unpaid invoices."""

    start_date = text_field("Only invoices that fall due on this date or later.", example="2025-01-01")
    end_date = text_field("Only invoices that fall due on this date or before.", example="2025-01-31")


class RevenueForecastArgs(RevenueArgs, AsOfArgs):
    """Which billing periods."""

    start_date = text_field("Only billing periods that end on this date or later.", example="2025-01-01")
    end_date = text_field("Only billing periods that end on this date or before.", example="2025-01-31")


class ExpectedPeriodsArgs(RevenueForecastArgs, LimitArgs):
    """Which billing periods, the current ones or the next."""

    billing_period = choice_field("Only those that run now, or only those that follow them.", BILLING_PERIODS, None)


class DeclineArgs(FormatArgs, TimezoneArgs, LimitArgs):
    """Whose usage fell, and by when."""

    end_date = text_field(
        "The last whole day that counts, or an instant after it; now unless said.", example="2025-01-31"
    )
    meter_id = text_field(
        "Only this meter, by id, meter_name or meter_token; every active one that adds up unless said."
    )


class Asked:
    """One request: its zone and currency, and the rest as it is asked for. Raises Malformed for what makes no sense."""

    def __init__(self, args: dict[str, Any], parts: Services) -> None:
        self.args = args
        self.as_table = wants_csv(args)
        self.zone = calendar.check_zone(args.get("timezone") or "UTC")
        self.currency = money.check_currency(args["currency"]) if args.get("currency") else None
        self.revenue = parts.revenue
        self.now = parts.clock()
        self._covers = parts.engine.covers

    @property
    def as_of(self) -> int:
        """The ingest sequence that usage is known up to: the newest unless another is asked for."""
        return self._covers(query_of({"as_of": self.args.get("as_of"), "timezone": self.zone}))

    @property
    def limit(self) -> int:
        """How many rows at most."""
        found: int = self.args["limit"]
        return found

    def choice(self, name: str, known: tuple[str, ...]) -> str | None:
        """A parameter that is one of a few texts; None where it is left out."""
        return choice(name, self.args.get(name), known)

    def window(self) -> Window:
        """The window; where no start is asked for, 30 days."""
        return calendar.parse_window(self.args.get("start_date"), self.args.get("end_date"), self.zone, self.now)

    def days(self) -> tuple[int | None, int | None]:
        """The first and the last day, where these are given."""
        first, last = self._day("start_date"), self._day("end_date")
        if first is not None and last is not None and first > last:
            raise Malformed("start_date is not after end_date, but it is.", field="start_date")
        return first, last

    def ends(self) -> tuple[int, int] | None:
        """The same as a range of instants; None where neither is given."""
        first, last = self.days()
        if first is None and last is None:
            return None
        start = 0 if first is None else day_start(self.zone, first)
        return start, EVER if last is None else day_start(self.zone, last + 1)

    def _day(self, name: str) -> int | None:
        sent = self.args.get(name)
        return day(sent, name, self.zone) if sent else None
