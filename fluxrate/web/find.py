"""`GET /find`: what the palette offers for a few letters, as HTML options: pages, meters and customers, ten at most.

It offers the pages that the application has. A meter or customer leads to its own page, else to its events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Response, current_app, render_template, request, url_for
from werkzeug.exceptions import HTTPException

from fluxrate.http.auth import page_access
from fluxrate.plugin import services
from fluxrate.web import fragments

MOST = 10
LONGEST = 200
PAGES = (
    ("Dashboard", "/"),
    ("Usage logs", "/logs"),
    ("Meters", "/meters"),
    ("Customers", "/customers"),
    ("Revenue", "/revenue"),
    ("Settings", "/settings"),
    ("Health", "/settings/health"),
    ("Audit trail", "/settings/audit"),
    ("API keys", "/settings/keys"),
    ("Accounts", "/settings/accounts"),
    ("Plugins", "/settings/plugins"),
    ("API reference", "/docs"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """One option: what it is called, what kind of thing it is, and where it leads."""

    name: str
    kind: str
    url: str


@page_access
def page() -> Response:
    """The options for `q`; an empty one offers the pages."""
    text = request.args.get("q", "").strip()[:LONGEST]
    found = [*_pages(text), *(_meters(text) + _customers(text) if text else ())]
    # The sort is stable: among equals, pages come first.
    found.sort(key=lambda option: not option.name.casefold().startswith(text.casefold()))
    return fragments.answer(render_template("find.html", found=found[:MOST]))


def _pages(text: str) -> list[Found]:
    return [Found(name, "Page", path) for name, path in PAGES if text.casefold() in name.casefold() and _is_page(path)]


def _meters(text: str) -> list[Found]:
    near = [
        meter
        for meter in services().catalog.meters()
        if text.casefold() in meter.name.casefold() or text.casefold() in meter.meter_name
    ]
    return [Found(m.name, "Meter", _own_page(f"/meters/{m.id}", meter_id=m.meter_name)) for m in near[:MOST]]


def _customers(text: str) -> list[Found]:
    # The letters may be any at all, also such as no customer may have: then the store finds none.
    if not text.isprintable():
        return []
    near = services().store.customers.list(page=1, page_size=MOST, search=text)[0]
    return [
        Found(c.name or c.external_id, "Customer", _own_page(f"/customers/{c.id}", customer_id=c.external_id))
        for c in near
    ]


def _own_page(path: str, **filters: Any) -> str:
    return path if _is_page(path) else url_for("web.logs", **filters)


def _is_page(path: str) -> bool:
    try:
        current_app.url_map.bind("").match(path, method="GET")
    except HTTPException:
        return False
    return True
