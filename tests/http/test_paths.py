"""A path that was found before finds the view that Werkzeug finds, for every path, method and application."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, Request, request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from fluxrate.http import paths
from fluxrate.http.application import Application
from tests.generated import examples

RULES = (
    ("/", ("GET",)),
    ("/meters", ("GET", "POST")),
    ("/meters/<meter>", ("GET",)),
    ("/meters/<meter>", ("PATCH",)),
    ("/meters/<meter>/usage", ("GET",)),
    ("/meters/first/usage", ("GET",)),
    ("/pages/<int:number>/", ("GET",)),
    ("/files/<path:name>", ("GET",)),
)
PARTS = ("", "/", "meters", "first", "x", "é", "usage", "pages", "7", "files", "//")


def made(kind: type[Flask]) -> Flask:
    app = kind("x")
    for number, (rule, methods) in enumerate(RULES):
        app.add_url_rule(rule, f"v{number}", lambda **_: "", methods=methods)
    return app


OURS, FLASKS = made(Application), made(Flask)


def matched(app: Flask, method: str, path: str) -> object:
    environ = {
        "REQUEST_METHOD": method,
        "SERVER_NAME": "own.example",
        "SERVER_PORT": "80",
        "HTTP_HOST": "example.com",
        "wsgi.url_scheme": "http",
        "PATH_INFO": path.encode().decode("latin-1"),
    }
    adapter = app.create_url_adapter(Request(environ))
    assert adapter is not None
    try:
        rule, arguments = adapter.match(return_rule=True)
    except RequestRedirect as elsewhere:
        return elsewhere.new_url
    except HTTPException as refused:
        return refused.code
    return rule.endpoint, arguments


@examples(300)
@given(
    st.sampled_from(("GET", "HEAD", "POST", "PATCH", "get")),
    st.lists(st.sampled_from(PARTS), max_size=5).map(lambda parts: "/" + "/".join(parts)),
)
def test_a_path_finds_what_werkzeug_finds(method: str, path: str) -> None:
    wanted = matched(FLASKS, method, path)
    assert [matched(OURS, method, path) for _ in range(3)] == [wanted] * 3


def test_a_path_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    app = made(Application)
    known = matched(app, "GET", "/meters/a/usage"), matched(app, "GET", "/meters/a/usage")
    monkeypatch.setattr(paths.MapAdapter, "match", None)
    assert matched(app, "GET", "/meters/a/usage") == known[0] == known[1] == ("v4", {"meter": "a"})


def test_paths_that_strangers_make_up_are_not_kept_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither many of them nor long ones."""
    monkeypatch.setattr(paths, "MOST_PATHS", 3)
    app = made(Application)
    assert isinstance(app.url_map, paths.Paths)
    for number in range(20):
        assert matched(app, "GET", f"/meters/{number}") == ("v2", {"meter": str(number)})
    assert 0 < len(app.url_map.found) <= 3
    long = "m" * paths.LONGEST
    assert [matched(app, "GET", f"/meters/{long}") for _ in range(2)] == [("v2", {"meter": long})] * 2
    assert not any(long in path for _, path, _ in app.url_map.found)


def test_a_view_that_changes_its_arguments_changes_no_other_requests() -> None:
    app = Application("x")

    def view(**given: Any) -> str:
        assert request.view_args is not None
        request.view_args["meter"] = "other"
        return str(given["meter"])

    app.add_url_rule("/<meter>", "view", view)
    client = app.test_client()
    assert [client.get("/a").text for _ in range(3)] == ["a"] * 3


def test_a_rule_that_is_added_counts_for_known_paths() -> None:
    app = made(Application)
    assert [matched(app, "GET", "/meters/new") for _ in range(2)] == [("v2", {"meter": "new"})] * 2
    app.add_url_rule("/meters/new", "new", lambda: "")
    assert matched(app, "GET", "/meters/new") == ("new", {})
