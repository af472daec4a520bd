"""The product's public Go client, played request by request over a real connection: it works as it is."""

from __future__ import annotations

import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from waitress import create_server

from fluxrate.serving.channels import Channel
from fluxrate.serving.draining import Loop
from fluxrate.serving.threads import Threads
from fluxrate.serving.watching import Watched
from tests.callers import Api, counts, exact, make_key

ATTEMPTS = 3
DECODED = ("id", "customer_id", "meter_id", "quantity", "timestamp", "created_at")
"""What its answer is decoded into; a member that is no string is an error to it."""


class Failed(Exception):
    """What the client tells its caller: the status and the `detail` (or `message`) of the answer."""


class GoClient:
    """Sends what that client sends: sorted keys, no spaces, HTML characters escaped, and every failure once more."""

    def __init__(self, port: int, key: str, base: str = "/api/v1") -> None:
        assert key.startswith("sk_")
        self.port, self.key, self.base = port, key, base
        self.answers: list[tuple[int, dict]] = []

    def send(self, *, quantity: str = "1", **fields: object) -> dict[str, object]:
        body = json.dumps(fields | {"quantity": "Q"}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        for character in "<>&\u2028\u2029":
            body = body.replace(character, f"\\u{ord(character):04x}")
        return self.post(body.replace('"quantity":"Q"', f'"quantity":{quantity}').encode())

    def post(self, body: bytes) -> dict[str, object]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {
            "User-Agent": "Go-http-client/1.1",
            "Content-Type": "application/json",
            "X-Api-Key": self.key,
            "Accept-Encoding": "gzip",
        }
        try:
            connection.request("POST", f"{self.base}/sdk/track", body, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        found = json.loads(text)
        assert isinstance(found, dict)
        self.answers.append((response.status, found))
        if response.status >= 400:
            said = next((found[name] for name in ("detail", "message") if isinstance(found.get(name), str)), "")
            raise Failed(response.status, said)
        assert all(isinstance(found[name], str) for name in DECODED)
        assert isinstance(found["meta_data"], dict | None)
        return found

    def send_with_retry(self, **fields: object) -> dict[str, object]:
        for attempt in range(ATTEMPTS):
            try:
                return self.send(**fields)
            except Failed:
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError


@pytest.fixture
def api(app):
    return Api(app)


@pytest.fixture
def port(app):
    served, threads = Watched(), Threads(8)
    server = create_server(app, map=served, _dispatcher=threads, host="127.0.0.1", port=0)
    server.channel_class = Channel
    loop = Loop(served, [server], threads)
    thread = threading.Thread(target=loop.run)
    thread.start()
    yield server.effective_port
    loop.stop()
    thread.join(10)
    loop.close()


@pytest.fixture
def client(app, port):
    return GoClient(port, make_key(app, "usage.write"))


@pytest.fixture
def token(api):
    return api.meter(decimals=6)["meter_token"]


@pytest.mark.parametrize("base", ["/api/v1", "/api/v1/"])
def test_one_event(app, port, token, api, base):
    """Its answer is decoded as it is, for an address that ends with a slash too; the customer is one nobody created."""
    client = GoClient(port, make_key(app, "usage.write"), base)
    found = client.send(
        meter_token=token,
        customer_external_id="cust_123",
        quantity="1.5",
        timestamp="2025-01-15T10:30:00+05:30",
        idempotency_key="9b1d",
        metadata={"endpoint": "/v1/<users>?a=1&b=2", "duration_ms": 123, "nested": {"a": [1, None, True]}, "none": {}},
    )
    assert (found["quantity"], found["timestamp"]) == ("1.5", "2025-01-15T05:00:00Z")
    assert found["meta_data"]["endpoint"] == "/v1/<users>?a=1&b=2"
    assert found["customer_id"] == api.get("/customers/cust_123").json["id"]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("1", "1"), ("0.1", "0.1"), ("0.30000000000000004", "0.3"), ("1e-6", "0.000001"), ("1.5e-7", None),
        ("1e-7", None), ("123456789.123456", "123456789.123456"), ("1000000000000", "1000000000000"), ("1e+21", None),
        ("2.5e-6", "0.000002"), ("100000000000000000000", None), ("0", None), ("-1", None),
    ],
)  # fmt: skip
def test_a_float_as_go_writes_it(api, client, token, written, kept):
    """A JSON number rounded to the meter's places; what a meter cannot hold is refused in a sentence."""
    if kept is None:
        with pytest.raises(Failed) as refused:
            client.send(meter_token=token, customer_external_id="a", quantity=written)
        assert "quantity" in refused.value.args[1]
        assert counts(api.app) == (0, 0)
    else:
        assert client.send(meter_token=token, customer_external_id="a", quantity=written)["quantity"] == kept


def test_a_flush_of_a_hundred_posts_at_once(api, client, token):
    """All succeed, whoever the customers are, and the figures have each of them once."""
    with ThreadPoolExecutor(100) as pool:
        sent = pool.map(
            lambda number: client.send_with_retry(
                meter_token=token, customer_external_id=f"new_{number % 10}", quantity=f"{number}.25"
            ),
            range(100),
        )
        assert len({found["id"] for found in sent}) == 100
    assert counts(api.app) == (100, 10)
    assert exact(api.get("/meters/calls/usage"))["total_usage"] == sum(range(100)) + Decimal(25)


def test_what_it_repeats_counts_once_if_it_has_a_key(api, client, token):
    """The answer to a repeat is the first event, as right as the first answer."""
    fields = {"meter_token": token, "customer_external_id": "a", "idempotency_key": "k"}
    first = client.send(**fields)
    assert [client.send(**fields) for _ in range(ATTEMPTS)] == [first] * ATTEMPTS
    assert [status for status, _ in client.answers] == [201, 200, 200, 200]
    assert counts(api.app) == (1, 1)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"meter_token": "nope"}, 404),
        ({"customer_external_id": ""}, 400),
        ({"quantity": "-1"}, 422),
        ({"timestamp": "1969-12-31T23:59:59Z"}, 400),
        ({"metadata": {f"k{number}": 1 for number in range(65)}}, 400),
        ({"metadata": {"a": "x" * 10_500_000}}, 413),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_refusal_stays_one_however_often_it_is_repeated(api, client, token, fields, status):
    """It repeats a 4xx too: the same sentence each time, nothing stored, and the right event goes in afterwards."""
    right = {"meter_token": token, "customer_external_id": "a", "idempotency_key": "k"}
    with pytest.raises(Failed) as refused:
        client.send_with_retry(**right | fields)
    assert refused.value.args[0] == status
    assert len(client.answers) == ATTEMPTS
    assert [found["detail"] for _, found in client.answers] == [refused.value.args[1]] * ATTEMPTS
    assert refused.value.args[1].endswith(".")
    assert counts(api.app) == (0, 0)
    assert client.send(**right)["quantity"] == "1"


def test_a_key_that_may_not_is_told_so(app, port, token):
    """A wrong key and one without the scope: a sentence that the client shows."""
    for key, status in (("sk_live_wrong", 401), (make_key(app, "usage.read"), 403)):
        with pytest.raises(Failed) as refused:
            GoClient(port, key).send(meter_token=token, customer_external_id="a")
        assert refused.value.args[0] == status
        assert len(refused.value.args[1]) > 10
