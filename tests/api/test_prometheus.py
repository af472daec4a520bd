"""`GET /metrics` at the root: what Prometheus scrapes, who may, and that it tells nothing of anybody's usage."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from fluxrate import __version__
from fluxrate.core.errors import Unavailable
from tests.callers import Api, make_key, parts_of, problem

OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


class Scraped:
    """One scrape: samples by name and labels."""

    def __init__(self, text: str) -> None:
        self.families = list(plain(text))
        self.samples = {(s.name, frozenset(s.labels.items())): s.value for f in self.families for s in f.samples}

    def __call__(self, name: str, **labels: str) -> float:
        return self.samples[name, frozenset(labels.items())]

    def labels(self, name: str) -> list[dict[str, str]]:
        return [dict(labels) for sample, labels in self.samples if sample == name]


def scrape(api: Api) -> Scraped:
    response = api.client.get("/metrics", headers={"Authorization": f"Bearer {api.secret}"})
    assert response.status_code == 200, response.text
    return Scraped(response.text)


def test_a_scrape_needs_a_key_that_may_read(app):
    """No key is a 401 and one without usage.read a 403, both as problems; admin and a session may, too."""
    problem(app.test_client().get("/metrics"), 401, "API key")
    problem(app.test_client().get("/metrics", headers={"X-API-Key": make_key(app, "usage.write")}), 403, "usage.read")
    for scope in ("usage.read", "admin"):
        assert scrape(Api(app, make_key(app, scope)))("fluxrate_store_reachable") == 1


def test_a_setting_opens_it_to_everybody(make_app):
    """METRICS_PUBLIC, for a server that only Prometheus can reach."""
    response = make_app(METRICS_PUBLIC="true").test_client().get("/metrics")
    assert response.status_code == 200
    (build,) = Scraped(response.text).labels("fluxrate_build_info")
    assert (build["version"], build["store"]) == (__version__, "sqlite")


def test_both_formats_can_be_read(api):
    """Prometheus' own text format, and OpenMetrics for whoever prefers it, each under its own content type."""
    api.get("/meters/nope/usage")
    for accept, content_type, parse in (
        ("", "text/plain; version=0.0.4", plain),
        ("text/plain;version=1.0.0", "text/plain; version=1.0.0", plain),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "application/openmetrics-text", openmetrics),
    ):
        response = api.client.get("/metrics", headers={"X-API-Key": api.secret, "Accept": accept})
        assert response.headers["Content-Type"].startswith(content_type)
        assert {"fluxrate_build_info", "fluxrate_as_of"} <= {family.name for family in parse(response.text)}


def test_requests_are_counted_by_rule_and_not_by_path(api):
    """However many paths and methods strangers make up, there is one label for each route and one for other methods."""
    api.meter()
    for number in range(20):
        api.get(f"/meters/m{number}/usage")
        api.client.get(f"/nothing/{number}")
        api.client.open("/health", method=f"BREW{number}")
    api.get("/meters/calls/usage")
    found, route = scrape(api), "/api/v1/meters/<meter>/usage"
    assert found("fluxrate_http_requests_total", route=route, method="GET", status="404") == 20
    assert found("fluxrate_http_requests_total", route=route, method="GET", status="200") == 1
    assert found("fluxrate_http_requests_total", route="", method="GET", status="404") == 20
    assert found("fluxrate_http_request_duration_seconds_count", route=route, method="GET") == 21
    assert found("fluxrate_http_request_duration_seconds_bucket", route=route, method="GET", le="+Inf") == 21
    assert 0 < found("fluxrate_http_request_duration_seconds_sum", route=route, method="GET") < 20
    seen = found.labels("fluxrate_http_requests_total")
    assert {labels["method"] for labels in seen} == {"GET", "POST", "other"}
    assert all(labels["route"] in {"", *(rule.rule for rule in api.app.url_map.iter_rules())} for labels in seen)


def test_events_are_counted_by_what_became_of_them(api):
    """Accepted, duplicate, conflict, rejected by kind; a batch refused as a whole says what was left out."""
    api.meter()
    for quantity in ("1", "1", "2"):
        api.track(quantity=quantity, idempotency_key="k", timestamp="2025-01-01T00:00:00Z")
    event = {"meter_name": "calls", "customer_external_id": "acme", "quantity": "1"}
    batch = [event, event | {"quantity": "-1"}, event | {"meter_name": "nope"}, event | {"quantity": "0"}, 7]
    assert api.post("/events", batch).status_code == 207
    assert api.post("/events?atomic=true", [event, event | {"meter_name": "nope"}]).status_code == 422
    found = scrape(api)
    assert found("fluxrate_events_accepted_total") == 2
    assert found("fluxrate_events_duplicates_total") == 2
    assert found("fluxrate_events_conflicts_total") == 1
    rejected = {
        labels["reason"]: found("fluxrate_events_rejected_total", **labels)
        for labels in found.labels("fluxrate_events_rejected_total")
    }
    assert rejected == {"malformed": 2, "not_found": 2, "rule_broken": 1, "left_out": 1}


def test_columns_are_told_by_meter(api):
    """Events, those not folded in, bytes and residence of each meter by name; the whole is the sum of the parts."""
    api.meter("calls")
    api.meter("bytes")
    for _ in range(3):
        api.track("calls")
    api.track("bytes")
    api.get("/meters/calls/usage")
    found = scrape(api)
    assert (found("fluxrate_meter_events", meter_name="calls"), found("fluxrate_meter_events", meter_name="bytes")) == (
        3,
        1,
    )
    assert found("fluxrate_meter_tail_events", meter_name="calls") == 3
    assert found("fluxrate_meter_resident", meter_name="calls") == 1
    for kind in ("heap", "mapped"):
        parts = [found("fluxrate_meter_bytes", meter_name=name, kind=kind) for name in ("calls", "bytes")]
        assert found("fluxrate_columns_bytes", kind=kind) == sum(parts)
    assert found("fluxrate_columns_bytes", kind="heap") > 0
    assert found("fluxrate_as_of") == parts_of(api.app).engine.as_of() == 4
    assert found("fluxrate_columns_max_bytes") == 0


def test_nothing_tells_of_usage_customers_or_keys(api):
    """Quantities, customers and keys are not in it, in no label and no value."""
    api.meter("calls", unit="secretunits")
    api.track(customer="acme-the-customer", quantity="987654321", idempotency_key="idem-secret", metadata={"r": "eu-x"})
    api.get("/customers/acme-the-customer/usage")
    api.get("/meters/calls/usage", **{"meta.r": "eu-x"})
    text = api.client.get("/metrics", headers={"X-API-Key": api.secret}).text
    for secret in ("acme", "987654321", "9.87654321", "idem-secret", "eu-x", "secretunits", api.secret, "sk_live"):
        assert secret not in text


def test_a_store_that_is_away_is_told(api, monkeypatch):
    """The scrape still answers, without what only the store knows; a key is known for an interval longer."""

    def away() -> None:
        raise Unavailable("The database is away.")

    api.meter()
    api.track()
    parts = parts_of(api.app)
    parts.engine.as_of()
    parts.catalog.key(api.secret)
    monkeypatch.setattr(parts.store, "ping", away)
    found = scrape(api)
    assert found("fluxrate_store_reachable") == 0
    assert found("fluxrate_as_of") == 1
    assert found.labels("fluxrate_meter_events") == []


def test_two_applications_count_apart(make_app):
    """Each has counters of its own, also in one process."""
    one, other = Api(make_app("one")), Api(make_app("other"))
    one.meter()
    one.track()
    assert scrape(one)("fluxrate_events_accepted_total") == 1
    assert scrape(other)("fluxrate_events_accepted_total") == 0


@pytest.fixture
def names(api):
    """The names of all metrics of a server that has done some of everything."""
    api.meter()
    api.track()
    api.post("/events", [{}])
    jobs = parts_of(api.app).vitals.jobs
    jobs.begin("columns.fold", 1)
    jobs.end("columns.fold", 2, 0.1)
    return {family.name + ("_total" if family.type == "counter" else "") for family in scrape(api).families}


def test_every_metric_is_documented(names):
    """docs/operations.md names each metric of ours, and none that is not there."""
    told = set(re.findall(r"`(fluxrate_\w+)`", OPERATIONS.read_text("utf-8")))
    assert {name for name in names if not name.startswith("process_")} == told
