"""The pages: `blueprint()` has every route, template and static file; app.py registers it and uses `error_page`.

Pages ask the engine and the store directly, never our own HTTP API. They know no plugin by name: what a plugin shows
on the dashboard comes as a `Panel`.
"""

from __future__ import annotations

import hashlib
import zoneinfo
from functools import lru_cache
from pathlib import Path

from flask import Blueprint, Response, make_response, render_template, url_for
from flask.blueprints import BlueprintSetupState

from fluxrate import __version__
from fluxrate.core.amounts import to_number
from fluxrate.http import auth
from fluxrate.plugin import services
from fluxrate.web import (
    audit,
    bands,
    bars,
    billing,
    charts,
    customer_pages,
    dashboard,
    events,
    find,
    first_run,
    formats,
    fragments,
    health,
    keys,
    links,
    logs,
    meter,
    meters,
    movements,
    people,
    periods,
    plugins,
    revenue,
    revenue_lists,
    revenue_words,
    said,
    settings,
    sign_in,
    voids,
)

__all__ = ["blueprint", "error_page"]

STATIC = Path(__file__).parent / "static"

ROUTES = (
    ("/", "dashboard", dashboard.page, ("GET",)),
    ("/panels", "arrange", dashboard.arrange, ("POST",)),
    ("/panels/<name>", "panel", dashboard.panel, ("GET",)),
    ("/logs", "logs", logs.page, ("GET",)),
    ("/logs/news", "news", logs.news, ("GET",)),
    ("/logs/export", "export", logs.export, ("GET",)),
    ("/events/<event>", "event", events.page, ("GET",)),
    ("/events/<event>/void", "void", voids.page, ("GET", "POST")),
    ("/meters", "meters", meters.listing, ("GET",)),
    ("/meters/new", "meter_new", meters.create, ("GET", "POST")),
    ("/meters/<meter>", "meter", meter.page, ("GET",)),
    ("/meters/<meter>/edit", "meter_edit", meters.edit, ("GET", "POST")),
    ("/meters/<meter>/archive", "meter_archive", meters.archive, ("GET", "POST")),
    ("/meters/<meter>/restore", "meter_restore", meters.restore, ("POST",)),
    ("/customers", "customers", customer_pages.listing, ("GET",)),
    ("/customers/new", "customer_new", customer_pages.create, ("GET", "POST")),
    ("/customers/<customer>", "customer", customer_pages.page, ("GET",)),
    ("/customers/<customer>/edit", "customer_edit", customer_pages.edit, ("GET", "POST")),
    ("/revenue", "revenue", revenue.page, ("GET",)),
    ("/revenue/sections/<name>", "revenue_section", revenue.section, ("GET",)),
    ("/revenue/changes", "revenue_changes", revenue_lists.changes, ("GET",)),
    ("/revenue/subscriptions", "revenue_subscriptions", revenue_lists.subscriptions, ("GET",)),
    ("/revenue/customers", "revenue_customers", revenue_lists.customers, ("GET",)),
    ("/revenue/retention", "revenue_retention", revenue_lists.retention, ("GET",)),
    ("/revenue/usage", "revenue_usage", revenue_lists.billed_periods, ("GET",)),
    ("/revenue/forecast", "revenue_forecast", revenue_lists.expected_periods, ("GET",)),
    ("/revenue/at-risk", "revenue_at_risk", revenue_lists.at_risk, ("GET",)),
    ("/revenue/invoices", "revenue_invoices", revenue_lists.invoices, ("GET",)),
    ("/subscriptions/<subscription>", "subscription", billing.subscription, ("GET",)),
    ("/invoices/<invoice>", "invoice", billing.invoice, ("GET",)),
    ("/first-run", "first_run", first_run.page, ("GET", "POST")),
    ("/first-run/event", "first_event", first_run.first_event, ("GET",)),
    ("/settings", "settings", settings.page, ("GET",)),
    ("/settings/keys", "keys", keys.page, ("GET", "POST")),
    ("/settings/keys/<key>/revoke", "key_revoke", keys.revoke, ("GET", "POST")),
    ("/settings/accounts", "accounts", people.page, ("GET", "POST")),
    ("/settings/accounts/<account>/remove", "account_remove", people.remove, ("GET", "POST")),
    ("/settings/plugins", "plugins", plugins.page, ("GET",)),
    ("/find", "find", find.page, ("GET",)),
    ("/settings/audit", "audit", audit.page, ("GET",)),
    ("/settings/health", "health", health.page, ("GET",)),
    ("/sign-in", "sign_in", sign_in.sign_in, ("GET", "POST")),
    ("/sign-out", "sign_out", sign_in.sign_out, ("POST",)),
    ("/setup/<token>", "setup", sign_in.setup, ("GET", "POST")),
)
FILTERS = {
    "number": formats.number,
    "breakable": formats.breakable,
    "money": formats.money,
    "words": formats.words,
    "day": formats.day,
    "share": formats.share,
    "shorten": formats.shorten,
    "clip": formats.clip,
    "metadata": formats.metadata,
    "pretty": formats.pretty,
    "exact": formats.exact,
    "by": formats.by,
    "percent": formats.percent,
    "size": formats.size,
    "duration": formats.duration,
    "capitalize_first": formats.capitalize_first,
}
GLOBALS = {
    "moment": formats.moment,
    "change": formats.change,
    "is_long": formats.is_long,
    "points": periods.points,
    "aligned": periods.aligned,
    "span": periods.span,
    "compared_with": periods.compared_with,
    "line_chart": charts.line_chart,
    "bar_chart": bars.bar_chart,
    "colour": bars.colour,
    "band_chart": bands.band_chart,
    "movement_chart": movements.movement_chart,
    "overdue": billing.overdue,
    "ages": revenue_words.AGES,
    "age_names": revenue_words.AGE_NAMES,
    "sparkline": charts.sparkline,
    "describe": charts.describe,
    "scaled": to_number,
    "here": links.here,
    "days_around": links.days_around,
    "to": links.to,
    "to_one": links.to_one,
    "to_period": links.to_period,
    "meter_ref": meters.reference,
    "nothing_yet": first_run.pending,
    "metric_choices": first_run.metric_choices,
    "events": links.events,
    "said": said.sentence,
    "current_user": auth.current_user,
    "csrf_token": auth.csrf_token,
    "version": __version__,
}


def blueprint() -> Blueprint:
    """All pages as one blueprint named "web"; the application itself should have no static folder of its own."""
    web = Blueprint("web", __name__, template_folder="templates", static_folder="static", static_url_path="/static")
    for rule, endpoint, view, methods in ROUTES:
        web.add_url_rule(rule, endpoint, view, methods=methods)
    web.add_url_rule("/time-zones", "time_zones", time_zones)
    web.record_once(_teach_jinja)
    return web


def error_page(status: int, title: str, detail: str) -> Response:
    """A whole page that says what went wrong; it asks nothing of the store, which may be what failed.

    htmx gets the sentence alone, for the notice above what it would have changed.
    """
    if fragments.wanted():
        return fragments.answer(render_template("notice.html", detail=detail), status=status, keep=True)
    return make_response(render_template("error.html", status=status, title=title.capitalize(), detail=detail), status)


def aggregation(name: str) -> str:
    """What people call an aggregation type; its own name when no plugin brings it any more."""
    metric = services().registry.metrics.all.get(name)
    return metric.label if metric else name


def asset(filename: str) -> str:
    """The address of a static file with a digest of its content, so that it may be kept for good."""
    return url_for("web.static", filename=filename, v=_digest(filename))


def time_zones() -> str:
    """`GET /time-zones`: the options of the zone field, asked for when somebody first goes to it."""
    names = sorted(name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/"))
    return render_template("time_zones.html", names=["UTC", *names])


@lru_cache(maxsize=64)
def _digest(filename: str) -> str:
    return hashlib.sha256((STATIC / filename).read_bytes()).hexdigest()[:12]


def _teach_jinja(state: BlueprintSetupState) -> None:
    app = state.app
    app.jinja_env.filters.update(FILTERS, aggregation=aggregation)
    app.jinja_env.globals.update(GLOBALS, asset=asset)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
