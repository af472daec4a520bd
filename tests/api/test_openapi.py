"""The OpenAPI document says what the API does: read as a contract, and held against generated requests."""

from __future__ import annotations

import json
import os
from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fluxrate.core.cloudevents import CloudEvent
from fluxrate.core.drafts import Draft
from tests.callers import PROBLEM, Api

EXAMPLES = int(os.environ.get("FLUXRATE_TEST_FUZZ_EXAMPLES", "40"))
"""Requests to each call, half of them meant to be right and half to be wrong; `make fuzz` makes more."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
METHODS = ("get", "post", "put", "patch", "delete")


@schemathesis.serializer(*LINES)
def as_it_stands(_, value):
    """A body of lines is a text, which is sent as it is."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else json.dumps(value).encode()


@pytest.fixture(scope="module")
def api(module_app):
    """Meters of several kinds with an event on each, so that answers have something in them."""
    api = Api(module_app)
    for kind in ("SUM", "LAST", "UNIQUE_COUNT"):
        api.meter(kind.lower(), kind)
        api.track(kind.lower(), metadata={"user_id": "u", "nested": {"a": [1, None]}})
    return api


@pytest.fixture(scope="module")
def document(api):
    response = api.client.get("/openapi.json")
    assert (response.status_code, response.mimetype) == (200, "application/json")
    return response.json


def operations(document):
    for path, described in document["paths"].items():
        for method, operation in described.items():
            if method in METHODS:
                yield f"{method.upper()} {path}", operation


def test_every_route_is_described(api, document):
    """The document has every route under /api and none that is not there, each with a summary and a tag."""
    routes = {
        f"{method} {rule.rule.replace('<', '{').replace('>', '}')}"
        for rule in api.app.url_map.iter_rules()
        if rule.rule.startswith("/api")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    described = dict(operations(document))
    assert set(described) == routes
    assert document["openapi"].startswith("3.1")
    for route, operation in described.items():
        assert operation["summary"], route
        assert operation["tags"], route


def test_errors_are_described_as_problems(document):
    """Each call names the errors it answers with, and each of them is a problem."""
    for route, operation in operations(document):
        errors = {int(status) for status in operation["responses"] if int(status) >= 400}
        assert {401, 403, 404, 422} <= errors, route
        if "requestBody" in operation:
            assert {400, 409, 413, 415} <= errors, route
        for status in errors:
            reference = operation["responses"][str(status)]["$ref"]
            content = document["components"]["responses"][reference.rsplit("/", 1)[1]]["content"]
            assert list(content) == [PROBLEM], route
    assert document["components"]["schemas"]["Problem"]["properties"]["detail"]["type"] == "string"


def test_right_answers_are_described_as_json(document):
    """Each call has a success with a schema, and every reference leads somewhere."""
    for route, operation in operations(document):
        success = [answer for status, answer in operation["responses"].items() if int(status) < 300]
        assert success, route
        assert all("schema" in answer["content"]["application/json"] for answer in success), route
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "#/')[1:]}:
        found = document
        for name in reference.split("/"):
            found = found[name]


def test_the_described_event_is_the_one_that_is_read(document):
    """What the document says of an event to be sent and what is decoded have the same fields."""
    schema = document["paths"]["/api/v1/sdk/track"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == set(Draft.__struct_fields__)
    assert schema["additionalProperties"] is False


def test_the_described_forms_of_a_batch_are_those_that_are_read(api, document):
    """What the document says a batch may come as is taken, with the fields that are decoded; nothing else is."""
    described = document["paths"]["/api/v1/events"]["post"]["requestBody"]["content"]
    event = {"meter_name": "sum", "customer_external_id": "acme", "quantity": "1"}
    cloud = {"specversion": "1.0", "id": "1", "source": "/s", "type": "unique_count", "subject": "acme"}
    cloud["data"] = {"user_id": "u"}
    bodies = {"application/json": [event], "application/cloudevents+json": cloud}
    bodies["application/cloudevents-batch+json"] = [cloud]
    for content_type in (*described, "text/csv", "application/cloudevents+avro"):
        body = json.dumps(bodies.get(content_type, event)).encode()
        response = api.call("POST", "/events", data=body, headers={"Content-Type": content_type})
        assert response.status_code == (200 if content_type in described else 415), content_type
    single = described["application/cloudevents+json"]["schema"]
    assert set(single["properties"]) == set(CloudEvent.__struct_fields__)
    assert described["application/cloudevents-batch+json"]["schema"]["items"] == single
    assert described["application/json"]["schema"]["items"]["properties"].keys() == set(Draft.__struct_fields__)


def test_the_reference_is_served_without_any_other_host(api):
    """`/docs` shows the document from our own files: nothing in it points elsewhere."""
    page = api.client.get("/docs")
    assert page.status_code == 200
    assert "/openapi.json" in page.text
    assert "://" not in page.text.replace("http://www.w3.org", "")


def test_generated_requests_are_answered_as_described(api):
    """Whatever is sent, right or wrong: no failure, a status and content type that the document has, and its schema."""
    schema = schemathesis.openapi.from_wsgi("/openapi.json", api.app)
    api.meter("kept")
    broken: dict[tuple[str, ...], str] = {}
    answered: Counter[int] = Counter()
    voids: Counter[int] = Counter()
    forms: Counter[str] = Counter()
    for found in schema.get_all_operations():
        for operation in _by_form(found.ok()):
            _try(operation, api, broken, answered, voids, forms)
    assert not broken, "\n\n".join(broken.values())
    # Had the requests only been refused, nothing would have been shown.
    assert answered[200] > 50
    assert answered[422] > 50
    assert voids[200] > 0
    tried = schema.raw_schema["paths"]["/api/v1/events"]["post"]["requestBody"]["content"]
    assert forms.keys() >= tried.keys()
    print(f"\n{sum(answered.values())} requests, {dict(sorted(answered.items()))}, forms of a batch {dict(forms)}")


def _by_form(operation):
    """The operation once for each form its body may have: of six drawn together, the rare ones need not come up."""
    alternatives = list(operation.body.items)
    for one in alternatives or [None]:
        operation.body.items = alternatives if one is None else [one]
        yield operation


def _try(operation, api: Api, broken: dict, answered: Counter, voids: Counter, forms: Counter) -> None:
    cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode))
    references = st.sampled_from([None, "sum", "last", "unique_count"])

    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, reference=references)
    def request(case, reference) -> None:
        case.headers.pop("Authorization", None)
        case.cookies.clear()
        for name, known in (("meter", reference), ("customer", reference and "acme")):
            if known and name in case.path_parameters:
                case.path_parameters[name] = known
        if reference and "event" in case.path_parameters:
            # Of a meter that no request knows: one of the others may have been archived by the requests before.
            case.path_parameters["event"] = api.track("kept")["id"]
        response = case.call(headers={"X-API-Key": api.secret})
        answered[response.status_code] += 1
        forms[case.media_type] += operation.path == "/api/v1/events"
        voids[response.status_code] += "event" in case.path_parameters
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as failures:
            for failure in failures.exceptions:
                key = (operation.label, type(failure).__name__, str(response.status_code))
                broken.setdefault(key, f"{operation.label}: {failure}\n{case.as_curl_command()[:500]}")

    request()
