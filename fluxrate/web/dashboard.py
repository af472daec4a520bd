"""The dashboard: every registered panel about one window and one meter, each asked for, limited and refused by itself.

The page comes without figures, and htmx asks for each panel at `/panels/<name>`; the page fixes the sequence that all
of them answer for, so that they agree. Without script the page sends the browser on to `panels=all`, where all of them
are in the page itself: links to the parts would leave such a reader with nothing, and to make all of them for everybody
would let the page wait for the slowest. Either way each panel has a thread and a time limit of its own (`web/boxes`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

from flask import Response, redirect, render_template, request, url_for

from fluxrate.core.errors import Malformed, NotFound
from fluxrate.core.model import Meter
from fluxrate.core.text import show
from fluxrate.http.auth import page_access
from fluxrate.plugin import Panel, PanelContext, services
from fluxrate.web import arrangement, boxes, fragments
from fluxrate.web.boxes import Box, Wanted
from fluxrate.web.links import WINDOW, canonical, local, stand_at
from fluxrate.web.read import lenient, unclear, with_meter
from fluxrate.web.window_bar import window_bar

log = logging.getLogger(__name__)

ASKED = (*WINDOW, "meter", "meter_id", "group_by", "as_of")
"""What a panel is asked about; the page has two more: `panels=all`, and `arrange=1` with the list of panels open."""
PARAMETERS = (*ASKED, "panels", "arrange")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the query string asks about, as far as it can be read; `errors` has a sentence for each part that cannot."""

    context: PanelContext
    args: dict[str, str]
    errors: dict[str, str]
    now: int

    def url(self, panel: Panel) -> str:
        """The address of a panel about the same, fixed to the same sequence."""
        kept = {name: self.args[name] for name in ASKED if name in self.args and name not in self.errors}
        return canonical(url_for("web.panel", name=panel.name), kept | {"as_of": self.context.query.as_of})


@page_access
def page() -> Response:
    """`GET /`: the window, zone and meter of the query string, and a place for each panel."""
    asked = _asked()
    stand_at(request.path, asked.args)
    asked.errors.update(unclear(request.args, PARAMETERS))
    inline = request.args.get("panels", "")
    if inline not in ("", "all"):
        asked.errors["panels"] = f"panels is all or left out, but {show(inline)} came."
    heights = _heights(asked)
    found = {panel.name: panel for panel, _ in heights}
    placed = arrangement.read(request.cookies.get(arrangement.COOKIE), tuple(found))
    shown = [found[one.name] for one in placed if not one.hidden] if asked.context.meters else []
    room = {panel.name: height for panel, height in heights}
    html = render_template(
        "dashboard.html",
        bar=window_bar(asked.context.query.window, asked.args, asked.now),
        boxes=_made(shown, asked) if inline else [Box(one, asked.url(one), room[one.name]) for one in shown],
        placed=[(one, found[one.name]) for one in placed],
        inline=inline,
        meters=asked.context.meters,
        meter=asked.context.meter,
        errors=asked.errors,
        args=asked.args,
    )
    return fragments.answer(html, status=422 if asked.errors else 200)


@page_access
def panel(name: str) -> Response:
    """`GET /panels/<name>`: one panel about what the query string says; a browser without htmx is sent to its page."""
    found = services().registry.panels.all.get(name)
    if found is None:
        raise NotFound(f"No panel has the name {show(name)}.")
    if not fragments.wanted():
        kept = {key: value for key, value in request.args.items() if key != "as_of"}
        return redirect(f"{canonical(url_for('web.dashboard'), kept)}#panel-{name}")  # type: ignore[return-value]
    asked = _asked()
    asked.errors.update(unclear(request.args, ASKED))
    if asked.errors:
        refused = Box(found, asked.url(found), failed=" ".join(asked.errors.values()))
        return fragments.answer(boxes.answered([refused]), status=422)
    return fragments.answer(boxes.answered(_made([found], asked)))


@page_access
def arrange() -> Response:
    """`POST /panels`: `move=up:NAME` puts a panel up (or down, hide, show), `move=reset` all of them as they were."""
    move, _, name = request.form.get("move", "").partition(":")
    answer = redirect(local(request.form.get("next")), 303)
    if move == "reset":
        answer.delete_cookie(arrangement.COOKIE, path="/")
        return answer  # type: ignore[return-value]
    names = tuple(one.name for one, _ in _heights(_asked()))
    if move not in arrangement.MOVES:
        raise Malformed(f"move is reset or one of {', '.join(arrangement.MOVES)}, but {show(move)} came.", field="move")
    if name not in names:
        raise Malformed(f"move names one of {', '.join(names)}, but {show(name)} came.", field="move")
    before = arrangement.read(request.cookies.get(arrangement.COOKIE), names)
    answer.set_cookie(
        arrangement.COOKIE,
        arrangement.written(arrangement.moved(before, name, move)),
        max_age=arrangement.SECONDS,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure or bool(services().settings["SECURE_COOKIES"]),
    )
    return answer  # type: ignore[return-value]


def selected(meters: tuple[Meter, ...], reference: str | None, errors: dict[str, str]) -> Meter | None:
    """The meter of an id, name or token; the first one when none is named or none has it."""
    if reference:
        for meter in meters:
            if reference in (meter.meter_name, meter.id, meter.meter_token):
                return meter
        errors["meter"] = f"No meter has the name or id {reference!r}, so the first one is shown."
    return meters[0] if meters else None


def panels() -> list[Panel]:
    """The registered panels in their order."""
    return sorted(services().registry.panels.all.values(), key=lambda panel: panel.rank)


def _asked() -> Asked:
    parts, args = services(), with_meter(request.args)
    now = parts.clock()
    query, errors = lenient(args, now)
    newest = parts.engine.as_of()
    if query.as_of is None:
        query = replace(query, as_of=newest)
    elif query.as_of > newest and query.as_of > parts.live.refresh().seq:
        # Another process may have written it a moment ago, hence the refresh.
        errors["as_of"] = f"as_of is at most {newest}, the newest sequence, but {query.as_of} came."
        query = replace(query, as_of=newest)
    meters = tuple(meter for meter in parts.catalog.meters() if meter.status == "ACTIVE")
    meter = selected(meters, args.get("meter"), errors)
    return Asked(PanelContext(parts, query, meter, meters), args, errors, now)


def _heights(asked: Asked) -> list[tuple[Panel, int]]:
    """The panels that have a place in this context, in their order, with the room that is kept for each."""
    found = [(panel, _height(panel, asked)) for panel in panels()]
    return [(panel, height) for panel, height in found if height is not None]


def _height(panel: Panel, asked: Asked) -> int | None:
    try:
        return panel.height(asked.context) if callable(panel.height) else panel.height
    except Exception:
        log.exception("The height of the panel %r failed.", panel.name)
        return 0


def _made(wanted: Iterable[Panel], asked: Asked) -> list[Box]:
    """The panels that have something to say, all made at the same time."""
    known = {"query": asked.context.query, "now": asked.now}
    found = [Wanted(panel, asked.url(panel), partial(panel.data, asked.context)) for panel in wanted]
    return boxes.made(found, known)
