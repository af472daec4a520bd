"""API keys on their page: made, shown once, revoked."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.web.conftest import EMAIL, submit, trail_of, visible

SECRET = re.compile(r"sk_live_[\w-]{20,}")


def test_a_key_is_shown_once_and_works(empty):
    answer = submit(empty, "/settings/keys", name="billing", scopes=["usage.read", "usage.write"])
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    (secret,) = set(SECRET.findall(answer.text))
    assert f'data-copy="{secret}"' in answer.text
    client = empty.app.test_client()
    assert client.get("/api/v1/meters", headers={"X-API-Key": secret}).status_code == 200
    assert client.get("/api/v1/api-keys", headers={"X-API-Key": secret}).status_code == 403
    again = empty.client.get("/settings/keys").text
    assert secret not in again
    assert "usage.read, usage.write" in again
    (entry,) = trail_of(empty, "key.created")
    assert (entry.actor, entry.details["name"]) == (f"user:{EMAIL}", "billing")
    assert secret not in str(entry)


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"name": "", "scopes": "admin"}, "name", "Give the key a name"),
        ({"name": "x"}, "scopes", "at least one scope"),
        ({"name": "x", "scopes": "root"}, "scopes", "root"),
    ],
)
def test_what_is_wrong_stands_at_its_field(empty, fields, field, said):
    answer = submit(empty, "/settings/keys", **fields)
    assert answer.status_code == 422
    assert said in unescape(re.search(rf'id="note-{field}">(.*?)</p>', answer.text, re.DOTALL)[1])
    assert not SECRET.search(answer.text)
    assert empty.services.store.keys.all() == []
    if "scopes" in fields and field == "name":
        assert re.search(r'value="admin" checked', answer.text)


def test_revoking_asks_first_and_ends_the_key(empty):
    secret = SECRET.search(submit(empty, "/settings/keys", name="<b>old", scopes="usage.read").text)[0]
    (key,) = empty.services.store.keys.all()
    path = f"/settings/keys/{key.id}/revoke"
    page = empty.client.get(path).text
    assert "This cannot be undone" in visible(page)
    assert "<b>old" not in page
    ask = {"X-API-Key": secret}
    assert empty.app.test_client().get("/api/v1/meters", headers=ask).status_code == 200
    for _ in range(2):  # the second time it is revoked already, and nothing more happens
        assert submit(empty, path).headers["Location"] == "/settings/keys"
    assert empty.app.test_client().get("/api/v1/meters", headers=ask).status_code == 401
    assert "revoked" in visible(empty.client.get("/settings/keys").text)
    assert "form" not in visible(empty.client.get(path).text)
    assert len(trail_of(empty, "key.revoked")) == 1
    assert empty.client.get("/settings/keys/nope/revoke").status_code == 404


def test_forms_need_the_token(empty):
    submit(empty, "/settings/keys", name="a", scopes="admin")
    (key,) = empty.services.store.keys.all()
    for path in ("/settings/keys", f"/settings/keys/{key.id}/revoke"):
        assert empty.client.post(path, data={"name": "b", "scopes": "admin"}).status_code == 403
    (key,) = empty.services.store.keys.all()
    assert key.revoked_at is None
