"""Names to whatever the plugins of one application bring; refuses duplicates, names owners, and freezes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from fluxrate.core.errors import ConfigError, Malformed
from fluxrate.core.metric import Metric
from fluxrate.core.text import show

Thing = TypeVar("Thing")


class Names(Generic[Thing]):
    """One kind of thing by name, each with the plugin that owns it."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._things: dict[str, Thing] = {}
        self._owners: dict[str, str] = {}
        self._frozen = False

    def add(self, name: str, thing: Thing, owner: str) -> None:
        """Register; raises ConfigError for a name already taken, naming both owners, or after `freeze`."""
        if self._frozen:
            raise ConfigError(f"The {self._kind} {name!r} of plugin {owner!r} came after start-up was complete.")
        if name in self._things:
            first = self._owners[name]
            raise ConfigError(f"The {self._kind} {name!r} of plugin {owner!r} is already there, from plugin {first!r}.")
        self._things[name] = thing
        self._owners[name] = owner

    def freeze(self) -> None:
        """Refuse every later `add`."""
        self._frozen = True

    @property
    def all(self) -> Mapping[str, Thing]:
        """Everything by name, in order of registration."""
        return MappingProxyType(self._things)

    def owner(self, name: str) -> str:
        """The plugin that brought it."""
        return self._owners[name]


class Metrics(Names[Metric]):
    """The metrics of one application."""

    def __init__(self) -> None:
        super().__init__("metric")

    def get(self, name: str, *, field: str = "metric") -> Metric:
        """The metric of that name; raises Malformed that lists the names there are."""
        found = self.all.get(name)
        if found is None:
            raise Malformed(f"{field} is one of {', '.join(self.all)}, but {show(name)} came.", field=field)
        return found


class Registry:
    """All names of one application. What is not a metric is kept here untyped, as core knows none of it."""

    def __init__(self) -> None:
        self.plugins: Names[Any] = Names("plugin")
        self.metrics = Metrics()
        self.panels: Names[Any] = Names("panel")
        self.jobs: Names[Any] = Names("job")
        self.commands: Names[Any] = Names("command")
        self.blueprints: Names[Any] = Names("blueprint")

    def freeze(self) -> None:
        """Refuse everything that comes later."""
        for names in (self.plugins, self.metrics, self.panels, self.jobs, self.commands, self.blueprints):
            names.freeze()
