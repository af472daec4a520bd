"""Bodies that are nearly right, thousands: none makes the server fail, and what is stored of them keeps every rule.

Short here; `make fuzz` sends 100,000 (`CASES=1000000 make fuzz` for more).
"""

from __future__ import annotations

import os
from collections import Counter

import msgspec

from fluxrate.core import text
from fluxrate.core.drafts import METADATA_BYTES, METADATA_KEYS
from fluxrate.core.verify import told, verify
from tests.callers import PROBLEM, Api, parts_of
from tests.fuzz.mutations import Request, requests
from tests.instances import open_instance

CASES = int(os.environ.get("FLUXRATE_TEST_FUZZ_CASES", "2000"))
QUESTIONS = 40 if CASES <= 10_000 else 400
SEED = 20
FUTURE = 86_400_000_000
METERS = {"calls": "SUM", "users": "UNIQUE_COUNT", "last": "LAST", "mean": "AVG"}
ANSWERED = {200, 201, 207, 400, 404, 409, 413, 415, 422}


def test_bodies_that_are_nearly_right(make_app):
    """No failure, each answer an event, a tally or a problem; the rows, the tally and the columns agree afterwards."""
    app = make_app(LOG_LEVEL="ERROR")
    api = Api(app)
    for name, kind in METERS.items():
        api.meter(name, kind, decimals=2, **({"property_name": "value"} if kind != "UNIQUE_COUNT" else {}))
    statuses: Counter[int] = Counter()
    accepted = 0
    for request in requests(CASES, SEED):
        response = _send(api, request)
        statuses[response.status_code] += 1
        assert response.status_code in ANSWERED, (request, response.text)
        accepted += _accepted(request, response)
    parts = parts_of(app)
    _check_rows(parts, accepted)
    _check_columns(parts)
    again = open_instance(parts.instance)
    _check_columns(again)
    again.close()
    assert statuses[201] > CASES // 50
    print(f"\n{CASES} bodies, answers {dict(sorted(statuses.items()))}, {accepted} events stored")


def _send(api: Api, request: Request):
    headers = {"Content-Type": request.content_type}
    if request.encoding:
        headers["Content-Encoding"] = request.encoding
    return api.call("POST", request.path, data=request.body, headers=headers)


def _accepted(request: Request, response) -> int:
    """How many events the answer says it stored; it is of the form that it should be."""
    if response.status_code >= 400:
        assert response.mimetype == PROBLEM
        assert response.json["detail"].isprintable(), request
        return 0
    found = response.json
    if not request.path.startswith("/events"):
        assert response.status_code == (200 if "Idempotent-Replayed" in response.headers else 201)
        return response.status_code == 201
    told = Counter(result["status"] for result in found["results"])
    if "errors" not in request.path:
        assert told == +Counter(accepted=found["accepted"], duplicate=found["duplicates"], rejected=found["rejected"])
    return found["accepted"]


def _check_rows(parts, accepted: int) -> None:
    """Every stored row, read again, passes the rules by which events are taken."""
    meters = {meter.pk: meter for meter in parts.store.meters.all()}
    rows = parts.store.events.read_after(0, 10**9)
    events = parts.store.events.by_seqs(row[0] for row in rows)
    assert len(rows) == len(events) == accepted
    owners = parts.store.customers.by_pks({event.customer_pk for event in events.values()})
    for owner in owners.values():
        assert text.identifier(owner.external_id, "external_id") == owner.external_id
    assert parts.store.customers.count() == len(owners), "a customer without an event stays"
    keys = [(event.meter_pk, event.idempotency_key) for event in events.values() if event.idempotency_key is not None]
    assert len(set(keys)) == len(keys)
    for event in events.values():
        _check_event(event, meters[event.meter_pk])


def _check_event(event, meter) -> None:
    metadata = {} if event.metadata is None else msgspec.json.decode(event.metadata)
    assert isinstance(metadata, dict)
    assert len(metadata) <= METADATA_KEYS
    assert len((event.metadata or "").encode()) <= METADATA_BYTES
    assert event.metadata is None or msgspec.json.encode(metadata).decode() == event.metadata
    assert "\\u0000" not in (event.metadata or "")
    assert 0 <= event.timestamp <= event.ingested_at + FUTURE
    assert 0 <= event.quantity < 2**63
    assert event.quantity or meter.aggregation_type != "SUM"
    if event.idempotency_key is not None:
        text.identifier(event.idempotency_key, "idempotency_key")
    if meter.aggregation_type == "UNIQUE_COUNT":
        assert metadata.get("user_id") is not None


def _check_columns(parts) -> None:
    """As `fluxrate verify` does."""
    parts.live.load()
    found = [line for outcome in verify(parts, parts.store.meters.all(), QUESTIONS, SEED) for line in told(outcome)]
    assert not [line for line in found if "refused" not in line], found[:20]
