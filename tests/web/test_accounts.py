"""Accounts on their page: a new one, and one's own password."""

from __future__ import annotations

import re
from html import unescape

import pytest

from fluxrate.core import accounts
from tests.web.conftest import EMAIL, PASSWORD, submit, trail_of, visible

FRESH = "another long password"


def note(html: str, field: str) -> str:
    return unescape(re.search(rf'id="note-{field}">(.*?)</p>', html, re.DOTALL)[1])


def test_an_account_is_made_and_can_sign_in(empty):
    answer = submit(empty, "/settings/accounts", form="account", email="Eve@example.com", password=FRESH)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/settings/accounts")
    assert "eve@example.com" in visible(empty.client.get("/settings/accounts").text)
    assert accounts.sign_in(empty.services.store, "eve@example.com", FRESH) is not None
    assert trail_of(empty, "user.created")[0].actor == f"user:{EMAIL}"


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"email": "", "password": FRESH}, "email", "Give the email"),
        ({"email": "eve", "password": FRESH}, "email", "The email is an address"),
        ({"email": EMAIL, "password": FRESH}, "email", "There is an account"),
        ({"email": "eve@example.com", "password": "short"}, "password", "10 to 256"),
    ],
)
def test_what_is_wrong_stands_at_its_field(empty, fields, field, said):
    answer = submit(empty, "/settings/accounts", form="account", **fields)
    assert answer.status_code == 422
    assert said in note(answer.text, field)
    assert FRESH not in answer.text
    assert empty.services.store.users.count() == 1


def test_my_password_is_changed_and_other_browsers_are_signed_out(empty):
    other = empty.app.test_client()
    other.post("/sign-in", data={"email": EMAIL, "password": PASSWORD})
    assert other.get("/settings").status_code == 200
    answer = submit(empty, "/settings/accounts", form="password", current=PASSWORD, fresh=FRESH)
    assert answer.status_code == 303
    assert "Your password is changed" in visible(empty.client.get(answer.headers["Location"]).text)
    assert other.get("/settings").status_code == 302
    assert accounts.sign_in(empty.services.store, EMAIL, FRESH) is not None
    assert accounts.sign_in(empty.services.store, EMAIL, PASSWORD) is None
    assert trail_of(empty, "password.changed")[0].actor == f"user:{EMAIL}"


def test_my_password_stays_without_the_one_of_now_or_with_a_short_one(empty):
    wrong = submit(empty, "/settings/accounts", form="password", current="not this one", fresh=FRESH)
    assert (wrong.status_code, note(wrong.text, "current")) == (422, "This is not your password.")
    assert len(trail_of(empty, "sign_in.failed")) == 1
    short = submit(empty, "/settings/accounts", form="password", current=PASSWORD, fresh="short")
    assert short.status_code == 422
    assert "10 to 256" in note(short.text, "fresh")
    assert accounts.sign_in(empty.services.store, EMAIL, PASSWORD) is not None
    assert trail_of(empty, "password.changed") == []


def test_guessing_here_is_held_back_like_at_the_door(empty):
    for _ in range(10):
        submit(empty, "/settings/accounts", form="password", current="a guess", fresh=FRESH)
    held = submit(empty, "/settings/accounts", form="password", current=PASSWORD, fresh=FRESH)
    assert held.status_code == 429
    assert accounts.sign_in(empty.services.store, EMAIL, PASSWORD) is not None


def test_forms_need_the_token_and_a_name(empty):
    for fields in ({"form": "account", "email": "e@example.com", "password": FRESH}, {"form": "password"}):
        assert empty.client.post("/settings/accounts", data=fields).status_code == 403
    assert submit(empty, "/settings/accounts", form="other").status_code == 400
    assert empty.services.store.users.count() == 1


def removing(instance, email):
    """The account and the page that removes it."""
    user = instance.services.store.users.by_email(email)
    return user, f"/settings/accounts/{user.id}/remove"


def test_an_account_is_removed_with_its_sessions(empty):
    submit(empty, "/settings/accounts", form="account", email="eve@example.com", password=FRESH)
    other = empty.app.test_client()
    other.post("/sign-in", data={"email": "eve@example.com", "password": FRESH})
    assert other.get("/settings").status_code == 200
    _, path = removing(empty, "eve@example.com")
    assert path in empty.client.get("/settings/accounts").text
    asked = empty.client.get(path)
    assert (asked.status_code, "Remove eve@example.com" in visible(asked.text)) == (200, True)
    assert submit(empty, path).status_code == 303
    assert "Account removed." in empty.client.get("/settings/accounts").text
    assert "Account removed." not in empty.client.get("/settings/accounts").text
    assert other.get("/settings").status_code == 302
    assert accounts.sign_in(empty.services.store, "eve@example.com", FRESH) is None
    assert trail_of(empty, "user.removed")[0].target == "user:eve@example.com"
    assert empty.client.get(path).status_code == 404


def test_my_own_account_stays(empty):
    submit(empty, "/settings/accounts", form="account", email="eve@example.com", password=FRESH)
    _, path = removing(empty, EMAIL)
    assert path not in empty.client.get("/settings/accounts").text
    answer = submit(empty, path)
    assert (answer.status_code, "your own account" in answer.text) == (409, True)
    assert empty.services.store.users.count() == 2
