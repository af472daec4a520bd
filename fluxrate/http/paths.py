"""Which view a path belongs to, kept once it was found: Werkzeug takes the path to pieces and tries pattern after
pattern for every request, which takes as long as checking the key and reading the parameters together.
"""

from __future__ import annotations

from typing import Any

from werkzeug.routing import Map, MapAdapter, Rule
from werkzeug.routing.rules import RuleFactory

MOST_PATHS = 1_024
"""Paths that are kept. Strangers choose them: beyond this all are forgotten."""

LONGEST = 256
"""Characters of the longest path that is kept."""

Place = tuple[str, str, bool]
"""Method, path, and whether a WebSocket is asked for."""


class Paths(Map):
    """The rules of one application, and the paths whose rule was found."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.found: dict[Place, tuple[Rule, dict[str, Any]]] = {}
        super().__init__(*args, **options)

    def add(self, rulefactory: RuleFactory) -> None:
        """As Werkzeug does; the new rule may be the better one for a path."""
        super().add(rulefactory)
        self.found = {}

    def keep(self, place: Place, rule: Rule, arguments: dict[str, Any]) -> None:
        """Give this rule from now on, and these arguments of its view."""
        if len(self.found) >= MOST_PATHS:
            self.found = {}
        if len(place[1]) <= LONGEST:
            self.found[place] = rule, arguments.copy()


class Found(MapAdapter):
    """One request's way into `Paths` of which no rule is bound to a host. What has no rule, or the rule of another
    address, is judged anew each time.
    """

    map: Paths

    def match(self, *args: Any, **options: Any) -> Any:
        """As Werkzeug does; Flask asks for the rule of the path that came, and nothing else."""
        if args or options != {"return_rule": True}:
            return super().match(*args, **options)
        place = self.default_method, self.path_info, self.websocket
        found = self.map.found.get(place)
        if found is not None:
            return found[0], found[1].copy()
        rule, arguments = super().match(return_rule=True)
        self.map.keep(place, rule, dict(arguments))
        return rule, arguments
