"""Coming in and going out: errors next to the field, no open redirect, the one-time link, pages in style for errors."""

from __future__ import annotations

import re

import pytest

from fluxrate.app import create_app
from fluxrate.config import load_config
from fluxrate.core import accounts
from fluxrate.plugin import EXTENSION
from fluxrate.web import STATIC
from tests.web.conftest import EMAIL, PASSWORD


def token(html: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', html)
    assert found
    return found[1]


def test_a_wrong_password_says_nothing_about_the_account(filled):
    client = filled.app.test_client()
    known = client.post("/sign-in", data={"email": EMAIL, "password": "wrong"})
    unknown = client.post("/sign-in", data={"email": "eve@example.com", "password": "wrong"})
    assert known.status_code == unknown.status_code == 401
    assert known.text.replace(EMAIL, "") == unknown.text.replace("eve@example.com", "")
    assert "No account has this email and password." in known.text
    assert f'value="{EMAIL}"' in known.text
    assert "wrong" not in known.text


def test_empty_fields_say_what_is_missing(filled):
    html = filled.app.test_client().post("/sign-in", data={}).text
    assert "Give the email of the account." in html
    assert "Give the password." in html


@pytest.mark.parametrize(
    ("target", "goes"),
    [
        ("/logs?page=2", "/logs?page=2"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\tx", "/"),
        ("", "/"),
    ],
)
def test_signing_in_goes_on_to_local_addresses_only(filled, target, goes):
    data = {"email": EMAIL, "password": PASSWORD, "next": target}
    answer = filled.app.test_client().post("/sign-in", data=data)
    assert answer.status_code == 303
    assert answer.headers["Location"] == goes


def test_signing_out_ends_the_session_and_needs_the_token(empty):
    client = empty.client
    page = client.get("/").text
    assert client.post("/sign-out").status_code == 403
    assert client.get("/").status_code == 200
    assert client.post("/sign-out", data={"csrf_token": token(page)}).headers["Location"] == "/sign-in"
    assert client.get("/").status_code == 302


def test_the_one_time_link_creates_the_first_administrator_once(tmp_path):
    app = create_app(load_config(str(tmp_path), {}))
    services = app.extensions[EXTENSION]
    link = accounts.new_setup_token(services.store)
    client = app.test_client()
    assert "Create the first administrator" in client.get(f"/setup/{link}").text
    bad = client.post(f"/setup/{link}", data={"email": "not an address", "password": PASSWORD})
    assert "email is an address" in bad.text
    made = client.post(f"/setup/{link}", data={"email": EMAIL, "password": PASSWORD})
    assert made.status_code == 303
    assert client.get("/").status_code == 200
    again = app.test_client().get(f"/setup/{link}")
    assert again.status_code == 403
    assert "This link does not work" in again.text
    assert app.test_client().get("/setup/guess").status_code == 403
    services.close()


def test_an_unknown_address_is_a_page_in_style(filled):
    answer = filled.client.get("/nothing/here")
    assert answer.status_code == 404
    assert "tokens.css" in answer.text
    assert "Go to the dashboard" in answer.text


def test_no_page_has_inline_style_or_script(filled):
    pages = ["/", "/logs", "/logs?customer_id=nobody", "/nothing"]
    for html in (*(filled.client.get(path).text for path in pages), filled.app.test_client().get("/sign-in").text):
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", html)
        scripts = re.findall(r"<script[^>]*>", html)
        assert all('src="' in tag or 'type="application/json"' in tag for tag in scripts)
        assert not re.findall(r'(?:href|src)="https?://', html)


def test_static_files_are_asked_for_by_their_content(filled):
    html = filled.client.get("/").text
    for name in (
        "tokens.css",
        "app.css",
        "pages.css",
        "charts.css",
        "charts.js",
        "palette.js",
        "app.js",
        "theme.js",
        "htmx-4.0.1.min.js",
        "favicon.svg",
    ):
        found = re.search(rf'"(/static/{re.escape(name)}\?v=\w+)"', html)
        assert found, name
        answer = filled.client.get(found[1])
        assert answer.data == (STATIC / name).read_bytes()
        assert "immutable" in answer.headers["Cache-Control"]


def test_the_zone_list_is_served_for_the_field(filled):
    html = filled.client.get("/time-zones").text
    assert '<option value="UTC">' in html
    assert '<option value="Europe/Berlin">' in html
