"""The examples of docs/reading-usage.md do what they say: a shell reads each command, and an application answers it.

The answers are also held against the API's own description, which random requests seldom ask for so much.
"""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import schemathesis
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.callers import ROOT, Api

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "reading-usage.md"
COMMANDS = [
    command
    for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    for command in re.findall(r"^curl (?:.*\\\n)*.*$", block, re.MULTILINE)
]

CHECKS = [content_type_conformance, response_schema_conformance, status_code_conformance]


@pytest.fixture(scope="module")
def api(module_app):
    """The demo's meters, with a few flights of the last days and of the month before."""
    api = Api(module_app)
    kinds = {"miles": "SUM", "flights": "COUNT", "aircraft": "UNIQUE_COUNT"}
    for name, kind in kinds.items():
        api.meter(name, kind, decimals=0, property_name="tailnum")
        for number in range(40):
            moment = datetime.now(UTC) - timedelta(hours=1, days=number)
            metadata = {"origin": ("JFK", "EWR", "LGA")[number % 3], "dest": "BOS", "tailnum": f"N{number % 7}"}
            api.track(name, ("UA", "B6")[number % 2], "500", timestamp=moment.isoformat(), metadata=metadata)
    return api


def words(command: str) -> list[str]:
    """The command's words as a shell hands them to curl."""
    script = f"API=http://host{ROOT} KEY=secret; curl() {{ printf '%s\\0' \"$@\"; }}; {command}"
    done = subprocess.run(["bash", "-euc", script], capture_output=True, check=True, text=True, timeout=60)
    return done.stdout.split("\0")[:-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_is_answered(api, command):
    """With figures in it, and as the table that the command asks for."""
    sent = words(command)
    assert "X-API-Key: secret" in sent
    url = next(urlsplit(word) for word in sent if word.startswith("http"))
    query = [tuple(value.split("=", 1)) for flag, value in pairwise(sent) if flag == "-d"]
    assert query
    response = api.call("GET", url.path, query_string=query)
    assert response.status_code == 200, response.text
    validate(api, url.path, query)
    table = ("format", "csv") in query
    assert response.mimetype == ("text/csv" if table else "application/json")
    if table:
        assert len(response.text.splitlines()) > 1
        return
    assert response.json["total_usage"] > 0
    for name, part in (("breakdown", "breakdown"), ("compare", "comparison")):
        assert (part in response.json) == any(asked == name for asked, _ in query)
    for name, part in (("unique", "unique_customers"), ("cumulative", "cumulative")):
        if (name, "true") in query:
            assert all(bucket[part] is not None for bucket in response.json["grouped_data"])


def validate(api: Api, path: str, query: list[tuple[str, str]]) -> None:
    """The answer has the status, the content type and the schema of the OpenAPI document."""
    document = schemathesis.openapi.from_wsgi("/openapi.json", api.app)
    meter = path.removeprefix(f"{ROOT}/meters/").split("/", 1)
    operation = document[f"{ROOT}/meters/{{meter}}/{meter[1]}"]["GET"]
    several: dict[str, list[str]] = {}
    for name, value in query:
        several.setdefault(name, []).append(value)
    case = operation.Case(path_parameters={"meter": meter[0]}, query=several)
    case.call_and_validate(headers={"X-API-Key": api.secret}, checks=CHECKS)


def test_the_page_has_an_example_of_each_part():
    """So that the test above is about something."""
    text = " ".join(COMMANDS)
    for part in ("breakdown=customer", "breakdown=meta.", "compare=", "unique=true", "cumulative=true", "format=csv"):
        assert part in text
    assert "/customers" in text
