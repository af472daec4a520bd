"""The dashboard's panels of revenue: MRR, what is at risk, and whose usage fell. Without subscriptions the first two
have no place there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxrate.core import trends
from fluxrate.core.decline import declines
from fluxrate.core.revenue.at_risk import BOUNDS
from fluxrate.plugin import Panel, PanelContext

MOST_CURRENCIES = 3
MOST_FALLEN = 5


def mrr(context: PanelContext) -> Mapping[str, Any] | None:
    """MRR of each currency over the window."""
    window, parts = context.query.window, context.services
    codes = parts.revenue.currencies()
    if not codes:
        return None
    group = trends.fitting(window)
    found = {each.currency: each for each in parts.revenue.mrr(window, group)}
    rows = [found[code] for code in codes[:MOST_CURRENCIES] if code in found]
    return {"rows": rows, "group": group, "left_out": len(codes) - len(rows)}


def at_risk(context: PanelContext) -> Mapping[str, Any] | None:
    """What is unpaid now by days past due, a column for each currency."""
    parts, zone = context.services, context.query.window.zone
    codes = parts.revenue.currencies()
    if not codes:
        return None
    found = {each.currency: each for each in parts.revenue.at_risk(parts.clock(), zone, limit=0).data}
    columns = [found[code] for code in codes if code in found]
    return {"columns": columns[:MOST_CURRENCIES], "left_out": len(columns[MOST_CURRENCIES:])}


def decline(context: PanelContext) -> Mapping[str, Any] | None:
    """The customers whose usage fell furthest below their own baseline, over all meters that add up."""
    if not context.meters:
        return None
    parts, query = context.services, context.query
    end = min(query.window.end, parts.clock())
    found = declines(
        parts.engine, parts.store, context.meters, end, query.window.zone, as_of=query.as_of, limit=MOST_FALLEN
    )
    return {"found": found}


def _mrr_height(context: PanelContext) -> int | None:
    count = len(context.services.revenue.currencies())
    return 36 + 53 * min(count, MOST_CURRENCIES) if count else None


def _at_risk_height(context: PanelContext) -> int | None:
    return 36 + 37 * (len(BOUNDS) + 2) + 30 if context.services.revenue.currencies() else None


PANELS = (
    Panel("revenue_at_risk", "Revenue at risk", "panels/at_risk.html", at_risk, rank=25, height=_at_risk_height),
    Panel("mrr", "MRR", "panels/mrr.html", mrr, rank=36, height=_mrr_height),
    Panel("usage_decline", "Usage decline", "panels/decline.html", decline, rank=37, height=221),
)
