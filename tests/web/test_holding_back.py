"""Guessing passwords: ten failures hold an address back, argon2 takes a bounded part of the server, no name is told."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine

from fluxrate.app import now
from fluxrate.core import credentials
from fluxrate.core.errors import TooMany
from fluxrate.core.pace import FAILURES, MINUTES, SignIns
from tests.web.conftest import EMAIL, PASSWORD

WRONG = {"email": EMAIL, "password": "not the password"}
RIGHT = {"email": EMAIL, "password": PASSWORD}


def sign_in(instance, form, address="192.0.2.1"):
    return instance.app.test_client().post("/sign-in", data=form, environ_base={"REMOTE_ADDR": address})


@pytest.fixture
def quick(monkeypatch):
    """Passwords that cost next to nothing, for tests that try many."""
    hasher = credentials.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(credentials, "_HASHER", hasher)
    monkeypatch.setattr(credentials, "_NOBODY", hasher.hash("x"))


def test_ten_failures_hold_an_address_back(quick, empty):
    """The eleventh try is a 429 that says until when, in the form, even with the right password; others come in."""
    start = now() / 1e6
    with time_machine.travel(start, tick=False):
        for _ in range(FAILURES):
            assert sign_in(empty, WRONG).status_code == 401
        for form in (WRONG, RIGHT, {"email": "else@example.com", "password": "x"}):
            answer = sign_in(empty, form)
            assert answer.status_code == 429
            assert 0 < int(answer.headers["Retry-After"]) <= MINUTES * 60
            assert "Too many failed sign-ins came from your address; try again in 15 minutes." in answer.text
            assert 'name="password"' in answer.text
        assert sign_in(empty, RIGHT, "192.0.2.2").status_code == 303
        assert empty.client.get("/").status_code == 200
    with time_machine.travel(start + MINUTES * 60 - 5, tick=False):
        assert sign_in(empty, RIGHT).status_code == 429
    with time_machine.travel(start + MINUTES * 60 + 5, tick=False):
        assert sign_in(empty, RIGHT).status_code == 303


def test_many_accounts_from_one_address_are_ten_failures_too(quick, empty):
    """Trying one password on many accounts is held back like many on one; a right one in between takes nothing away."""
    for number in range(FAILURES):
        assert sign_in(empty, {"email": f"a{number}@example.com", "password": "x"}).status_code == 401
        if number < FAILURES - 1:
            assert sign_in(empty, RIGHT).status_code == 303
    assert sign_in(empty, RIGHT).status_code == 429


def test_a_refused_try_is_no_failure_and_leaves_no_entry(quick, empty):
    """While an address is held back its tries are not counted: the wait does not grow, and neither does the trail."""
    for _ in range(FAILURES + 20):
        sign_in(empty, WRONG)
    trail = empty.services.store.trail
    _, total = trail.list(0, now() + 1, actor=None, action="sign_in.failed", page=1, page_size=1)
    assert total == FAILURES


def test_a_burst_at_once_gets_no_more_than_ten():
    """Those that are being looked at count as if they had failed, however many come at the same moment; one that was
    refused for them alone may come back in a second.
    """
    sign_ins, tried, everybody = SignIns(), [], threading.Event()
    looked_at, waits = [], []

    def note(number: int) -> None:
        tried.append(number)
        if len(tried) == 40:
            everybody.set()

    def attempt(number: int) -> None:
        try:
            with sign_ins.attempt("192.0.2.1") as made:
                note(number)
                looked_at.append(number)
                assert everybody.wait(20)
                made.failed = True
        except TooMany as held_back:
            waits.append(held_back.retry_after)
            note(number)

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(attempt, range(40)))
    assert len(looked_at) == FAILURES
    assert waits == [1] * 30
    with pytest.raises(TooMany) as later, sign_ins.attempt("192.0.2.1"):
        pass
    assert later.value.retry_after > 60


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8:0:0:ffff::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        (None, "unknown", True),
    ],
)
def test_what_counts_as_one_address(one, other, same):
    """A network /64 of IPv6, which is what one client has; IPv4 by itself, however it is written."""
    sign_ins = SignIns()
    for _ in range(FAILURES):
        with sign_ins.attempt(one) as made:
            made.failed = True
    if same:
        with pytest.raises(TooMany), sign_ins.attempt(other):
            pass
    else:
        with sign_ins.attempt(other):
            pass


def test_passwords_wait_for_two_places_and_no_more(monkeypatch):
    """Two are looked at, two wait, a fifth is refused at once: half the threads of the server stay free."""
    hasher, most, running, entered = credentials._HASHER, [0], [0], threading.Semaphore(0)
    go, lock = threading.Event(), threading.Lock()

    class Slow:
        def verify(self, kept: str, password: str) -> bool:
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            entered.release()
            assert go.wait(20)
            with lock:
                running[0] -= 1
            return hasher.verify(kept, password)

    monkeypatch.setattr(credentials, "_HASHER", Slow())
    kept = hasher.hash(PASSWORD)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(credentials.password_fits, kept, PASSWORD) for _ in range(4)]
        assert entered.acquire(timeout=20)
        assert entered.acquire(timeout=20)
        while credentials._PLACE._value:  # the two that wait have their places
            pass
        with pytest.raises(TooMany, match="Too many passwords"):
            credentials.password_fits(kept, PASSWORD)
        go.set()
        assert [future.result() for future in waiting] == [True] * 4
    assert most[0] == 2
    assert credentials.password_fits(kept, PASSWORD)


def test_an_unknown_account_is_looked_at_like_a_known_one(empty, monkeypatch):
    """One password is verified in either case, at the same cost, so that neither time nor words tell them apart."""
    hasher, seen = credentials._HASHER, []

    class Watched:
        def verify(self, kept: str, password: str) -> bool:
            seen.append(kept.rsplit("$", 2)[0])
            return hasher.verify(kept, password)

    monkeypatch.setattr(credentials, "_HASHER", Watched())
    answers = [
        sign_in(empty, {"email": email, "password": "wrong password"}).status_code
        for email in (EMAIL, "eve@example.com", "e" * 300, "a\0b")
    ]
    assert answers == [401] * 4
    assert seen == ["$argon2id$v=19$m=19456,t=2,p=1"] * 4


def test_a_session_is_new_after_signing_in_and_the_old_one_is_over(empty):
    """A session that somebody planted, or that was there before, opens nothing afterwards."""
    client = empty.client
    old = client.get_cookie("fluxrate_session").value
    assert client.post("/sign-in", data=RIGHT).status_code == 303
    new = client.get_cookie("fluxrate_session").value
    fresh = empty.app.test_client(use_cookies=False)
    status = [
        fresh.get("/", headers={"Cookie": f"fluxrate_session={token}"}).status_code for token in (old, new, "planted")
    ]
    assert status == [302, 200, 302]


def test_the_cookie_over_tls_belongs_to_this_host_alone(empty):
    """`__Host-`, Secure, HttpOnly, SameSite; a cookie of the plain name counts for nothing there."""
    client = empty.app.test_client()
    answer = client.post("/sign-in", data=RIGHT, base_url="https://localhost")
    (cookie,) = answer.headers.getlist("Set-Cookie")[-1:]
    assert cookie.startswith("__Host-fluxrate_session=")
    parts = {part.strip().split("=")[0] for part in cookie.split(";")[1:]}
    assert {"Secure", "HttpOnly", "Path", "SameSite", "Max-Age"} <= parts
    assert "Domain" not in parts
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    token = cookie.split("=", 1)[1].split(";")[0]
    fresh = empty.app.test_client(use_cookies=False)
    for name, status in (("__Host-fluxrate_session", 200), ("fluxrate_session", 302)):
        answer = fresh.get("/", headers={"Cookie": f"{name}={token}"}, base_url="https://localhost")
        assert answer.status_code == status, name


def test_the_cookie_without_tls(empty):
    """A plain name, not Secure, HttpOnly and SameSite all the same; and no promise to use TLS."""
    answer = empty.app.test_client().post("/sign-in", data=RIGHT)
    cookie = answer.headers.getlist("Set-Cookie")[-1]
    assert cookie.startswith("fluxrate_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert "Strict-Transport-Security" not in answer.headers
