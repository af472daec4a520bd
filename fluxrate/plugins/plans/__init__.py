"""Plans and their charges over the API and from files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxrate.core.model import COMMAND_LINE
from fluxrate.core.revenue import plans
from fluxrate.core.revenue.model import Plan
from fluxrate.core.services import Services
from fluxrate.core.store import Names
from fluxrate.http.records import import_command
from fluxrate.plugin import Plugin
from fluxrate.plugins.plans.routes import blueprint
from fluxrate.plugins.plans.schemas import COLUMNS, PlanPutSchema


def _upsert(parts: Services, name: str, body: Mapping[str, Any]) -> tuple[Plan, Plan | None]:
    return plans.upsert(parts.store, parts.catalog.meter, name, body, parts.clock(), COMMAND_LINE)


def _named(names: Names, name: str, _: Mapping[str, Any]) -> None:
    names.plans.add(name)


plugin = Plugin(
    name="plans",
    blueprints=(blueprint,),
    commands=(import_command("plans", PlanPutSchema, _upsert, _named, COLUMNS),),
)
