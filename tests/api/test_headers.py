"""Security headers: every answer has each of them once, whoever made it, and what a view says itself stays."""

from __future__ import annotations

from collections import Counter

import pytest
from flask import Blueprint, Response

from fluxrate.app import BUILT_IN
from fluxrate.http.headers import CSP
from fluxrate.plugin import Plugin

WANTED = (
    "Content-Security-Policy",
    "X-Content-Type-Options",
    "Referrer-Policy",
    "Cross-Origin-Opener-Policy",
    "X-Frame-Options",
    "Cache-Control",
)
OWN = {"content-security-policy": "default-src 'self'", "Cache-Control": "private, max-age=60"}


@pytest.fixture
def client(make_app):
    """A client of an application with a stranger's page that sets headers of its own, and one that fails."""
    blueprint = Blueprint("stranger", __name__)
    blueprint.add_url_rule("/own", "own", lambda: Response("x", headers=OWN))
    blueprint.add_url_rule("/fails", "fails", lambda: 1 // 0)
    return make_app(plugins=(*BUILT_IN, Plugin("stranger", blueprints=(blueprint,)))).test_client()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/sign-in", 200),
        ("/", 302),
        ("/health", 200),
        ("/metrics", 401),
        ("/api/v1/meters", 401),
        ("/nothing", 404),
        ("/fails", 500),
        ("/static/app.css", 200),
        ("/static/app.css?v=1", 200),
        ("/openapi.json", 200),
        ("/own", 200),
    ],
)
def test_every_answer_has_each_header_once(client, path, status):
    response = client.get(path)
    assert response.status_code == status
    names = Counter(name.lower() for name, _ in response.headers)
    assert {name: names[name.lower()] for name in WANTED} == dict.fromkeys(WANTED, 1)


def test_what_a_view_says_itself_stays(client):
    response = client.get("/own")
    assert response.headers["Content-Security-Policy"] == OWN["content-security-policy"]
    assert response.headers["Cache-Control"] == OWN["Cache-Control"]
    assert response.headers["X-Frame-Options"] == "DENY"


def test_pages_and_data_are_not_kept_but_versioned_files_are(client):
    kept = {
        path: client.get(path).headers["Cache-Control"]
        for path in ("/health", "/static/app.css", "/static/app.css?v=1")
    }
    assert list(kept.values()) == ["no-store", "no-cache", "public, max-age=31536000, immutable"]
    assert client.get("/sign-in").headers["Content-Security-Policy"] == CSP
