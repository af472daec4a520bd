"""How to send an event to one meter, as code to paste: the meter's token, its property and this server's address are
filled in, and each piece runs as it stands once the key is there.

Everything that comes from people goes through JSON, which each of the four languages reads as a text of its own.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from fluxrate.core.live import DEFAULT_PROPERTY
from fluxrate.core.metric import Metric
from fluxrate.core.model import Meter

PATH = "/api/v1/sdk/track"
KEY = "sk_live_..."
"""What stands in the place of a key that is not known."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """One language's piece of code."""

    name: str
    label: str
    code: str


def snippets(meter: Meter, metric: Metric | None, root: str, key: str = KEY) -> tuple[Snippet, ...]:
    """The same event in curl, Python, Go and JavaScript; `root` is this server's address with a slash at its end."""
    url, body = root.rstrip("/") + PATH, event(meter, metric)
    return (
        Snippet("curl", "curl", curl(url, body, key)),
        Snippet("python", "Python", _python(url, body, key)),
        Snippet("go", "Go", _go(url, body, key)),
        Snippet("javascript", "JavaScript", _javascript(url, body, key)),
    )


def event(meter: Meter, metric: Metric | None) -> dict[str, object]:
    """An event that the meter takes and counts."""
    found: dict[str, object] = {"meter_token": meter.meter_token, "customer_external_id": "acme"}
    counts = metric is not None and metric.counts_things
    if not counts:
        found["quantity"] = "1"
    metadata = {own.key: own.values[0] for own in meter.filters}
    if metric is not None and metric.needs_property:
        metadata[meter.property_name or DEFAULT_PROPERTY] = "u-1"
    if metadata:
        found["metadata"] = metadata
    found["idempotency_key"] = "order-1"
    return found


def curl(url: str, body: dict[str, object], key: str) -> str:
    """For a shell: quoted whatever it holds."""
    return (
        f"curl {shlex.quote(url)} \\\n"
        f"  -H {shlex.quote('X-API-Key: ' + key)} \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(_json(body))}"
    )


def _python(url: str, body: dict[str, object], key: str) -> str:
    return (
        "import json\nimport urllib.request\n\n"
        f"event = {_json(body, 4)}\n"
        "request = urllib.request.Request(\n"
        f"    {_json(url)},\n"
        "    data=json.dumps(event).encode(),\n"
        f'    headers={{"X-API-Key": {_json(key)}, "Content-Type": "application/json"}},\n'
        ")\n"
        "print(urllib.request.urlopen(request).read().decode())"
    )


def _go(url: str, body: dict[str, object], key: str) -> str:
    return (
        'package main\n\nimport (\n\t"fmt"\n\t"net/http"\n\t"strings"\n)\n\n'
        "func main() {\n"
        f"\tbody := {_json(_json(body))}\n"
        f'\trequest, err := http.NewRequest("POST", {_json(url)}, strings.NewReader(body))\n'
        "\tif err != nil {\n\t\tpanic(err)\n\t}\n"
        f'\trequest.Header.Set("X-API-Key", {_json(key)})\n'
        '\trequest.Header.Set("Content-Type", "application/json")\n'
        "\tanswer, err := http.DefaultClient.Do(request)\n"
        "\tif err != nil {\n\t\tpanic(err)\n\t}\n"
        "\tdefer answer.Body.Close()\n"
        "\tfmt.Println(answer.Status)\n"
        "}"
    )


def _javascript(url: str, body: dict[str, object], key: str) -> str:
    return (
        f"const answer = await fetch({_json(url)}, {{\n"
        '  method: "POST",\n'
        f'  headers: {{ "X-API-Key": {_json(key)}, "Content-Type": "application/json" }},\n'
        f"  body: JSON.stringify({_json(body, 2).replace(chr(10), chr(10) + '  ')}),\n"
        "});\n"
        "console.log(answer.status, await answer.json());"
    )


def _json(value: object, indent: int | None = None) -> str:
    # Everything beyond ASCII may stand in all four as it is, but Go knows no surrogate pairs in \u escapes.
    return json.dumps(value, indent=indent, ensure_ascii=False)
