"""`RATE_LIMIT`: so many requests a minute of one API key, told in headers; 429 beyond, and other keys go on."""

from __future__ import annotations

import re

import time_machine

from fluxrate.app import now
from tests.callers import Api, make_key, problem


def test_beyond_the_rate_is_a_429_with_retry_after(make_app):
    """Five requests pass and say how many are left; the sixth is refused before anything is done; a minute later
    there is room again.
    """
    app = make_app(RATE_LIMIT="5")
    api, other = Api(app), Api(app)
    start = now() / 1e6 // 60 * 60 + 1
    with time_machine.travel(start, tick=False):
        left = []
        for _ in range(5):
            response = api.get("/meters")
            assert response.status_code == 200
            assert response.headers["RateLimit-Policy"] == '"key";q=5;w=60'
            left.append(int(re.fullmatch(r'"key";r=(\d+);t=\d+', response.headers["RateLimit"])[1]))
        assert left == [4, 3, 2, 1, 0]
        refused = api.post("/customers", {"external_id": "acme"})
        problem(refused, 429, "5 requests a minute")
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert refused.headers["RateLimit"].startswith('"key";r=0;')
        assert other.get("/customers").json["meta"]["total"] == 0
    with time_machine.travel(start + 61, tick=False):
        assert api.get("/meters").status_code == 200


def test_a_minute_begins_with_a_request(make_app):
    """Not with the clock's: what was told to wait is what it takes until all requests are there again."""
    api = Api(make_app(RATE_LIMIT="10"))
    start = now() / 1e6 // 60 * 60 + 50
    with time_machine.travel(start, tick=False):
        assert [api.get("/meters").status_code for _ in range(10)] == [200] * 10
    with time_machine.travel(start + 20, tick=False):
        refused = api.get("/meters")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "40")
    with time_machine.travel(start + 61, tick=False):
        assert [api.get("/meters").status_code for _ in range(11)] == [200] * 10 + [429]


def test_a_key_without_the_scope_counts_and_a_bad_one_does_not(make_app):
    """What a key is refused for is a request of it as well; a text that is no key belongs to nobody."""
    app = make_app(RATE_LIMIT="3")
    reader = Api(app, make_key(app, "usage.read"))
    start = now() / 1e6 // 60 * 60 + 1
    with time_machine.travel(start, tick=False):
        for _ in range(3):
            problem(reader.post("/customers", {"external_id": "x"}), 403)
        problem(reader.post("/customers", {"external_id": "x"}), 429)
        for _ in range(10):
            response = Api(app, "sk_live_nobody").get("/meters")
            problem(response, 401)
            assert "RateLimit" not in response.headers


def test_without_the_setting_nothing_is_counted_or_said(api):
    response = api.get("/meters")
    assert "RateLimit" not in response.headers
    assert "RateLimit-Policy" not in response.headers
