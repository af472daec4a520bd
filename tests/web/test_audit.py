"""The page of the audit trail: what stands in it, what narrows it, and that nothing of a stranger's text acts."""

from __future__ import annotations

import re
from html import unescape

import pytest

from fluxrate.core import accounts
from fluxrate.core.model import By, Note
from tests.web.conftest import EMAIL, visible

BAD = '<script>alert("1")</script>'


def page(instance, query: str = ""):
    return instance.client.get(f"/settings/audit?{query}")


def rows(html: str) -> list[str]:
    body = html[html.index("<tbody>") : html.index("</tbody>")] if "<tbody>" in html else ""
    return [unescape(visible(row)) for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)]


def test_who_did_what_in_words(empty):
    store, now = empty.services.store, empty.services.clock
    key, _ = accounts.create_key(store, "billing", ("admin",), now())
    accounts.revoke_key(store, key, now(), By(f"user:{EMAIL}", "192.0.2.7"))
    html = page(empty).text
    revoked, created, signed_in, account = rows(html)
    assert "Revoked an API key" in revoked
    assert f"key:{key.prefix}" in revoked
    assert EMAIL in revoked
    assert "192.0.2.7" in revoked
    assert "Created an API key" in created
    assert "the command line" in created
    assert "scopes admin" in created
    assert "Signed in" in signed_in
    assert "Created an account" in account
    assert "4 entries" in visible(html)


def test_filters_and_their_links(empty):
    """By what and by whom; the address of a row's actor narrows to that actor, and a link shows everything again."""
    store, now = empty.services.store, empty.services.clock
    key, _ = accounts.create_key(store, "a b", ("admin",), now())
    accounts.create_key(store, "other", ("admin",), now(), By(f"key:{key.prefix} a b"))
    assert len(rows(page(empty).text)) == 4
    assert len(rows(page(empty, "action=key.created").text)) == 2
    assert len(rows(page(empty, f"actor=key:{key.prefix}").text)) == 1
    links = {unescape(link) for link in re.findall(r'href="(/settings/audit\?actor=[^"]*)"', page(empty).text)}
    assert len(links) == 3
    assert sum(len(rows(empty.client.get(link).text)) for link in links) == 4
    html = page(empty, "action=user.signed_in&actor=cli").text
    assert "Nothing in this window passes these filters." in html
    assert 'href="/settings/audit"' in html
    assert rows(page(empty, "start_date=2020-01-01&end_date=2020-01-31").text) == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("action=nope", "choose one of the list"),
        ("start_date=x", "From is a date"),
        ("timezone=Mars", "Mars"),
        ("who=me", "no parameter"),
        ("actor=a&actor=b", "more than once"),
    ],
)
def test_what_cannot_be_read_is_said(empty, query, said):
    answer = page(empty, query)
    assert answer.status_code == 422
    assert said in unescape(visible(answer.text))


def test_odd_values_do_no_harm(empty):
    for query in ("page=0", "page=999999999", "page=x", "actor=%00", "actor=%25", "page=" + "9" * 50):
        assert page(empty, query).status_code == 200


def test_a_long_trail_has_pages(empty):
    store, now = empty.services.store, empty.services.clock
    for number in range(60):
        store.trail.add(Note(By("cli"), "import.started", f"meter:m{number}", now()))
    first, second = page(empty).text, page(empty, "page=2").text
    assert (len(rows(first)), len(rows(second))) == (50, 12)
    assert "meter:m59" in rows(first)[0]
    assert 'aria-current="page">2<' in second


def test_strangers_text_is_escaped(empty):
    store, now = empty.services.store, empty.services.clock
    details = {"reason": BAD, BAD: [BAD, 1], "name": {"from": BAD, "to": None}, "n": 1234567}
    store.trail.add(Note(By(f"key:sk_live_0123456789ab {BAD}", BAD), "event.voided", f"event:{BAD}", now(), details))
    html = page(empty).text
    assert "<script>alert" not in html
    assert f"name {BAD} → none" in rows(html)[0]
    assert "1,234,567" in rows(html)[0]
    assert "<script>alert" not in page(empty, f"actor={BAD}&action={BAD}").text


def test_only_signed_in_people_see_it(empty):
    answer = empty.app.test_client().get("/settings/audit")
    assert answer.headers["Location"] == "/sign-in?next=/settings/audit"
