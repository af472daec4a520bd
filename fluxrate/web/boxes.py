"""Parts of a page that are each asked for, made, limited and refused by themselves: the panels of the dashboard, the
sections of the revenue page.

The page comes with a place for each part, and htmx asks for it at an address of its own. A part is made in a thread of
its own and within its own time (`web/turns`); what fails or comes too late says so in its place, and the others stand.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from flask import copy_current_request_context, current_app, render_template
from markupsafe import Markup

from fluxrate.core.errors import FluxrateError
from fluxrate.web.turns import TooSlow, Turn, Turns

log = logging.getLogger(__name__)

FAILED = "This part could not be made. The other figures stand, and the server's log has the reason."

_TURNS = "fluxrate_turns"


class Part(Protocol):
    """What a box is about: a `plugin.Panel` is one."""

    @property
    def name(self) -> str:
        """Stands in addresses."""

    @property
    def title(self) -> str:
        """The heading."""

    @property
    def template(self) -> str:
        """What shows its data."""

    @property
    def place(self) -> str:
        """How wide it is: main and wide across the page (main without a visible heading), half one of two columns."""

    @property
    def seconds(self) -> float:
        """How long it may take."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part as the page shows it: its HTML, the sentence that stands in for it, or neither while it is on its way.

    `url` asks for it (again); `height` is what is kept free for it until then.
    """

    panel: Part
    url: str
    height: int = 0
    html: Markup | None = None
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A part to be made: `data` gives what its template shows, or None when it has nothing to say."""

    part: Part
    url: str
    data: Callable[[], Mapping[str, Any] | None]


def made(wanted: Iterable[Wanted], known: Mapping[str, Any]) -> list[Box]:
    """The parts that have something to say, all made at the same time; their templates get what is `known`, too."""
    begun = [(one, _begin(one, known)) for one in wanted]
    return [box for one, turn in begun if (box := _box(one, turn)) is not None]


def answered(boxes: Iterable[Box]) -> str:
    """The boxes alone, as htmx puts them in their places."""
    return "".join(render_template("panels/box.html", box=box) for box in boxes)


def _begin(wanted: Wanted, known: Mapping[str, Any]) -> Turn[Markup | None]:
    @copy_current_request_context
    def make() -> Markup | None:
        data = wanted.data()
        if data is None:
            return None
        values = {"panel": wanted.part, **known, **data}
        return Markup(render_template(wanted.part.template, **values))  # noqa: S704, a template is where escaping happens

    turns: Turns = current_app.extensions.setdefault(_TURNS, Turns())
    return turns.begin(wanted.part.name, make, wanted.part.seconds)


def _box(wanted: Wanted, turn: Turn[Markup | None]) -> Box | None:
    part, url = wanted.part, wanted.url
    try:
        html = turn.result()
        return None if html is None else Box(part, url, html=html)
    except TooSlow:
        log.warning("The part %r took longer than the %g s it may take.", part.name, part.seconds)
        return Box(part, url, failed=f"This part took longer than {part.seconds:g} s, so it is not shown.")
    except FluxrateError as error:
        return Box(part, url, failed=error.detail)
    except Exception:
        log.exception("The part %r failed.", part.name)
        return Box(part, url, failed=FAILED)
