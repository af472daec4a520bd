"""Flask views to hold Fluxrate's server against: one that only answers, one that asks DuckDB for the same.

Both run under the server that Fluxrate runs under, with the same options: `python -m bench.views bare --port 8001`.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, Response, request

from bench import sql
from bench.contenders.duckdb import DuckDB
from bench.events import DAY, MINUTE, fresh, year
from bench.questions import Question, questions
from fluxrate.config import SETTINGS
from fluxrate.serving import processors, server

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def main() -> None:
    """Serve one of the two."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("view", choices=("bare", "duckdb"))
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--events", type=int, default=0)
    options.add_argument("--threads", type=int, required=True)
    given = options.parse_args()
    app = _bare() if given.view == "bare" else _duckdb(given.events)
    # DuckDB computes with threads of its own, which are to have every processor.
    with processors.only(processors.one_of(1) if given.view == "bare" else frozenset()):
        settings = {one.name: one.default for one in SETTINGS} | {"THREADS": given.threads}
        server.loop_of(app, server.listen("127.0.0.1", given.port), settings).run()


def _bare() -> Flask:
    """Answers with a text as long as thirty days of usage are, made once."""
    app = Flask("bare")
    day = {"period": "2025-11-01", "usage": 123456789.123456, "event_count": 27000}
    text = json.dumps({"total_usage": 0, "event_count": 0, "unique_customers": 0, "grouped_data": [day] * 30})

    @app.get("/usage")
    def usage() -> Response:
        return Response(text, mimetype="application/json")

    return app


def _duckdb(size: int) -> Flask:
    """Asks a DuckDB in memory; each request has a cursor of its own."""
    app = Flask("duckdb")
    database = DuckDB(year(size))
    for batch in fresh(size):
        database.add(batch)
    asked = questions(size)[0]

    @app.get("/usage")
    def usage() -> Response:
        start = datetime.fromisoformat(request.args["start_date"])
        question = asked.shifted(((start - _EPOCH) // timedelta(microseconds=1) - asked.start) // MINUTE)
        with database.connection.cursor() as cursor:
            wanted = sql.statements(question, database.dialect)
            days, customers = (cursor.execute(statement).fetchall() for statement in wanted)
        return Response(json.dumps(_shape(question, days, customers)), mimetype="application/json")

    return app


def _shape(question: Question, days: list[Any], customers: list[Any]) -> dict[str, Any]:
    return {
        "total_usage": sum(day[1] for day in days),
        "event_count": sum(day[2] for day in days),
        "unique_customers": customers[0][0],
        "grouped_data": [
            {"period": f"{_EPOCH + timedelta(days=number):%F}", "usage": value, "event_count": events}
            for number, value, events in sorted(days)
            if number * DAY < question.end
        ],
    }


if __name__ == "__main__":
    main()
