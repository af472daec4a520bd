"""`/meters/{meter}/forecast`: the figures live in `core.forecast`."""

from __future__ import annotations

from typing import Any

from flask import Response

from fluxrate.core.forecast.reading import forecast
from fluxrate.http.answers import answer
from fluxrate.http.auth import scope
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.http.parameters import meter_of, query_of, wants_csv
from fluxrate.http.sheets import CSV, SHEET
from fluxrate.plugin import services
from fluxrate.plugins.forecast.schemas import ForecastArgs, ForecastSchema
from fluxrate.plugins.forecast.shapes import forecast_shape, forecast_table

blueprint = ApiBlueprint(
    "forecast", __name__, url_prefix="/api/v1", template_folder="templates", description="What usage lies ahead."
)


@blueprint.get("/meters/<meter>/forecast")
@scope("usage.read")
@blueprint.arguments(ForecastArgs, location="query")
@blueprint.response(200, ForecastSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
@blueprint.alt_response(400)
def meter_forecast(args: dict[str, Any], meter: str) -> Response:
    """What lies ahead of a meter, bucket by bucket, with an interval, the method and its backtest error."""
    as_table, horizon, parts = wants_csv(args), args.pop("horizon", None), services()
    found = meter_of(meter)
    metric = parts.registry.metrics.get(found.aggregation_type, field="aggregation_type")
    ahead = forecast(parts.engine, found, metric, query_of(args, group_by="day"), parts.clock(), horizon)
    return forecast_table(ahead) if as_table else answer(forecast_shape(ahead), as_of=ahead.as_of)
