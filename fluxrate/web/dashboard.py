"""The dashboard: every registered panel about one window and one meter, each asked for, limited and refused by itself.

The page comes without figures, and htmx asks for each panel at `/panels/<name>`; the page fixes the sequence that all
of them answer for, so that they agree. Without script the page sends the browser on to `panels=all`, where all of them
are in the page itself: links to the parts would leave such a reader with nothing, and to make all of them for everybody
would let the page wait for the slowest. Either way each panel has a thread and a time limit of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

from flask import Response, copy_current_request_context, current_app, redirect, render_template, request, url_for
from markupsafe import Markup

from fluxrate.core.errors import FluxrateError, Malformed, NotFound
from fluxrate.core.model import Meter
from fluxrate.core.text import show
from fluxrate.http.auth import page_access
from fluxrate.plugin import Panel, PanelContext, services
from fluxrate.web import arrangement, fragments
from fluxrate.web.links import WINDOW, canonical, local
from fluxrate.web.read import lenient, unclear
from fluxrate.web.turns import TooSlow, Turn, Turns
from fluxrate.web.window_bar import window_bar

log = logging.getLogger(__name__)

ASKED = (*WINDOW, "meter", "group_by", "as_of")
"""What a panel is asked about; the page has two more: `panels=all`, and `arrange=1` with the list of panels open."""
PARAMETERS = (*ASKED, "panels", "arrange")
FAILED = "This part could not be made. The other figures stand, and the server's log has the reason."

_TURNS = "fluxrate_turns"


@dataclass(frozen=True, slots=True)
class Box:
    """A panel as the page shows it: its HTML, the sentence that stands in for it, or neither while it is on its way.

    `url` asks for it (again); `height` is what is kept free for it until then.
    """

    panel: Panel
    url: str
    height: int = 0
    html: Markup | None = None
    failed: str | None = None


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
    asked.errors.update(unclear(request.args, PARAMETERS))
    inline = request.args.get("panels", "")
    if inline not in ("", "all"):
        asked.errors["panels"] = f"panels is all or left out, but {show(inline)} came."
    found = {panel.name: panel for panel in panels()}
    placed = arrangement.read(request.cookies.get(arrangement.COOKIE), tuple(found))
    shown = [found[one.name] for one in placed if not one.hidden] if asked.context.meters else []
    html = render_template(
        "dashboard.html",
        bar=window_bar(asked.context.query.window, asked.args, asked.now),
        boxes=_made(shown, asked) if inline else [_awaited(panel, asked) for panel in shown],
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
        return fragments.answer(render_template("panels/box.html", box=refused), status=422)
    boxes = _made([found], asked)
    return fragments.answer("".join(render_template("panels/box.html", box=box) for box in boxes))


@page_access
def arrange() -> Response:
    """`POST /panels`: `move=up:NAME` puts a panel up (or down, hide, show), `move=reset` all of them as they were."""
    move, _, name = request.form.get("move", "").partition(":")
    answer = redirect(local(request.form.get("next")), 303)
    if move == "reset":
        answer.delete_cookie(arrangement.COOKIE, path="/")
        return answer  # type: ignore[return-value]
    names = tuple(one.name for one in panels())
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
    parts, args = services(), request.args.to_dict()
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


def _awaited(panel: Panel, asked: Asked) -> Box:
    try:
        height = panel.height(asked.context) if callable(panel.height) else panel.height
    except Exception:
        log.exception("The height of the panel %r failed.", panel.name)
        height = 0
    return Box(panel, asked.url(panel), height)


def _made(wanted: Iterable[Panel], asked: Asked) -> list[Box]:
    """The panels that have something to say, all made at the same time."""
    begun = [(panel, _begin(panel, asked)) for panel in wanted]
    return [box for panel, turn in begun if (box := _box(panel, turn, asked)) is not None]


def _begin(panel: Panel, asked: Asked) -> Turn[Markup | None]:
    @copy_current_request_context
    def make() -> Markup | None:
        data = panel.data(asked.context)
        if data is None:
            return None
        known = {"panel": panel, "query": asked.context.query, "now": asked.now}
        return Markup(render_template(panel.template, **(known | dict(data))))  # noqa: S704, a template is where escaping happens

    turns: Turns = current_app.extensions.setdefault(_TURNS, Turns())
    return turns.begin(panel.name, make, panel.seconds)


def _box(panel: Panel, turn: Turn[Markup | None], asked: Asked) -> Box | None:
    url = asked.url(panel)
    try:
        html = turn.result()
        return None if html is None else Box(panel, url, html=html)
    except TooSlow:
        log.warning("The panel %r took longer than the %g s it may take.", panel.name, panel.seconds)
        return Box(panel, url, failed=f"This part took longer than {panel.seconds:g} s, so it is not shown.")
    except FluxrateError as error:
        return Box(panel, url, failed=error.detail)
    except Exception:
        log.exception("The panel %r failed.", panel.name)
        return Box(panel, url, failed=FAILED)
