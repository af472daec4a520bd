"""`TRUSTED_PROXY`: what X-Forwarded-* says is believed for as many proxies as are there, and else not at all."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys

import pytest

from fluxrate.core import accounts
from tests.callers import parts_of

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
FORWARDED = {
    "X-Forwarded-For": "198.51.100.7, 203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "usage.example.com",
}


def signed_in(app, headers):
    """The answer to signing in with these headers, and the address that the audit trail keeps."""
    parts = parts_of(app)
    if not parts.store.users.count():
        accounts.create_user(parts.store, EMAIL, PASSWORD, parts.clock())
    answer = app.test_client().post("/sign-in", data={"email": EMAIL, "password": PASSWORD}, headers=headers)
    rows, _ = parts.store.trail.list(0, parts.clock() + 1, actor=None, action="user.signed_in", page=1, page_size=1)
    return answer, rows[0].address if rows else None


def test_spoofed_headers_are_ignored_unless_a_proxy_is_trusted(make_app):
    """Without the setting the client's own word counts for nothing: not its address, not TLS, not the host."""
    answer, address = signed_in(make_app(), FORWARDED)
    assert (answer.status_code, address) == (303, "127.0.0.1")
    assert "Secure" not in answer.headers["Set-Cookie"]
    assert "Strict-Transport-Security" not in answer.headers
    answer, _ = signed_in(make_app(), FORWARDED | {"Origin": "https://usage.example.com"})
    assert answer.status_code == 403


@pytest.mark.parametrize(("proxies", "address"), [("1", "203.0.113.9"), ("2", "198.51.100.7"), ("3", "127.0.0.1")])
def test_as_many_proxies_as_are_trusted_are_believed(make_app, proxies, address):
    """Counted from the end, which the nearest proxy wrote: what a client put before it is believed by none of them."""
    answer, found = signed_in(make_app(TRUSTED_PROXY=proxies), FORWARDED)
    assert (answer.status_code, found) == (303, address)


def test_behind_a_trusted_proxy_cookies_are_secure_and_the_host_is_the_proxys(make_app):
    """TLS at the proxy is TLS: `__Host-`, Secure, and an origin that is the proxy's host."""
    app = make_app(TRUSTED_PROXY="1")
    answer, _ = signed_in(app, FORWARDED | {"Origin": "https://usage.example.com"})
    assert answer.status_code == 303
    cookie = answer.headers.getlist("Set-Cookie")[-1]
    assert cookie.startswith("__Host-fluxrate_session=")
    assert "Secure" in cookie
    answer, _ = signed_in(app, FORWARDED | {"Origin": "http://localhost"})
    assert answer.status_code == 403


def test_what_is_no_address_is_none(make_app):
    """A proxy that passes rubbish on: nothing of it is kept as an address."""
    _, found = signed_in(make_app(TRUSTED_PROXY="1"), {"X-Forwarded-For": "<script>, unknown"})
    assert found is None


@pytest.mark.parametrize(("proxies", "secure"), [("0", False), ("1", True)])
def test_the_real_server_passes_the_headers_on_only_then(tmp_path, proxies, secure):
    """Waitress takes such headers away unless it is told not to."""
    options = ["--instance", str(tmp_path), "--port", str(_free_port()), "--trusted-proxy", proxies]
    command = [sys.executable, "-m", "fluxrate", "serve", *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split("http://")[1].split()[0]
        connection = http.client.HTTPConnection(address, timeout=20)
        connection.request("GET", "/sign-in", headers=FORWARDED)
        answer = connection.getresponse()
        assert answer.status == 200
        assert (answer.getheader("Strict-Transport-Security") is not None) is secure
    finally:
        server.terminate()
        server.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
