"""Our Flask answers as Flask itself does, for every host, path and query that may come."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Blueprint, Flask, Request, request, session, url_for
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException

from fluxrate.http import application
from fluxrate.http.application import Application, Asked
from tests.generated import examples

HOSTS = (
    "example.com",
    "EXAMPLE.com:80",
    "example.com:443",
    "127.0.0.1:8000",
    "[::1]:8000",
    "bücher.example",
    "a b",
    "",
    None,
)
TEXTS = st.text(st.characters(max_codepoint=255), max_size=12)


def environ(scheme: str, host: str | None, script: str, path: str, query: str) -> dict[str, Any]:
    made = {
        "REQUEST_METHOD": "GET",
        "SERVER_NAME": "own.example",
        "SERVER_PORT": "8000",
        "wsgi.url_scheme": scheme,
        "SCRIPT_NAME": script,
        "PATH_INFO": path,
        "QUERY_STRING": query,
    }
    return made if host is None else made | {"HTTP_HOST": host}


def adapter(app: Flask, made: dict[str, Any]) -> object:
    asked = Request(dict(made))
    try:
        found = app.create_url_adapter(asked)
    except HTTPException as refused:
        return refused.code
    values = {name: value for name, value in vars(found).items() if name != "map"}
    return {**values, "path_info": values["path_info"] or "", "host": asked.host}


@examples(100)
@given(st.sampled_from(("http", "https")), st.sampled_from(HOSTS), st.sampled_from(("", "/at", "/ä")), TEXTS, TEXTS)
def test_an_address_is_read_as_flask_reads_it(
    scheme: str, host: str | None, script: str, path: str, query: str
) -> None:
    """The first request of a host and those after it are matched alike."""
    made = environ(scheme, host, script.encode().decode("latin-1"), path, query)
    ours = Application("x")
    wanted = adapter(Flask("x"), made)
    assert [adapter(ours, made) for _ in range(3)] == [wanted] * 3


def test_hosts_that_strangers_make_up_are_not_kept_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """More hosts than are kept: all are forgotten, and read again."""
    monkeypatch.setattr(application, "_MOST_HOSTS", 3)
    app = Application("x")
    for number in range(20):
        assert adapter(app, environ("http", f"h{number}", "", "/", ""))["host"] == f"h{number}"  # type: ignore[index]
    assert len(app._hosts) <= 3


def test_addresses_are_made_for_the_host_that_was_asked() -> None:
    """Of one application under two names."""
    app = Application("x")
    app.add_url_rule("/here", "here", lambda: url_for("here", _external=True) + request.host)
    client = app.test_client()
    for name in ("one.example", "two.example:81") * 2:
        assert client.get("/here", headers={"Host": name}).text == f"http://{name}/here{name}"


def test_there_is_no_session_of_flasks_to_write_to() -> None:
    """A view that tries is told, and no cookie is set."""
    app = Application("x")
    app.add_url_rule("/read", "read", lambda: str(session.get("a")))
    app.add_url_rule("/write", "write", lambda: session.update(a=1))
    client = app.test_client()
    assert "Set-Cookie" not in client.get("/read").headers
    assert client.get("/write").status_code == 500


@examples(200)
@given(
    st.one_of(
        st.text(st.sampled_from("ab=&%+2F0é;#\0 "), max_size=16),
        st.text(st.characters(max_codepoint=255), max_size=12),
    )
)
def test_parameters_are_read_as_werkzeug_reads_them(query: str) -> None:
    made = environ("http", "a", "", "/", query.encode().decode("latin-1"))
    assert list(Asked(made).parameters.items()) == [(name, list(values)) for name, values in Request(made).args.lists()]


def test_a_request_has_the_blueprints_that_flask_says() -> None:
    """Of a view in a blueprint in another, of one in none, and of a path that leads nowhere."""
    seen = []
    for kind in (Application, Flask):
        app, outer, inner = kind("x"), Blueprint("outer", "x"), Blueprint("inner", "x")
        for place, name in ((app, "a"), (outer, "b"), (inner, "c")):
            place.add_url_rule(f"/{name}", name, lambda: [*request.blueprints])
        outer.register_blueprint(inner)
        app.register_blueprint(outer)
        app.register_error_handler(404, lambda _: [*request.blueprints])
        client = app.test_client()
        seen.append([client.get(f"/{name}").json for name in "abcd"])
    assert seen[0] == seen[1] == [[], ["outer"], ["outer.inner", "outer"], []]


@pytest.mark.parametrize("kind", [Application, Flask])
def test_hooks_run_as_in_flask(kind: type[Flask]) -> None:
    """Before a view, of the application and of its blueprint, and for the values of its path."""
    app, own, said = kind("x"), Blueprint("own", "x"), []
    own.add_url_rule("/<name>", "view", lambda name: said.append(name) or "")
    app.before_request(lambda: said.append("every"))
    own.before_request(lambda: said.append("own"))
    own.url_value_preprocessor(lambda endpoint, values: said.append(endpoint))
    app.register_blueprint(own)
    app.test_client().get("/me")
    assert said == ["own.view", "every", "own", "me"]
