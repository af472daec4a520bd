"""Accounts: the one-time link makes one administrator, however many open it at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from fluxrate.core import accounts
from fluxrate.core.errors import Forbidden, RuleBroken
from tests.instances import NOW, open_instance

PASSWORD = "a long enough password"


def test_of_several_who_open_the_link_at_once_one_makes_an_account(tmp_path):
    """The others are refused, and nobody can use the link afterwards."""
    parts = open_instance(tmp_path / "instance")
    token = accounts.new_setup_token(parts.store)
    assert token is not None

    def make(number: int) -> bool:
        try:
            accounts.create_first_administrator(parts.store, token, f"a{number}@example.com", PASSWORD, NOW)
        except Forbidden:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(make, range(4))) == 1
    assert parts.store.users.count() == 1
    assert not accounts.setup_token_fits(parts.store, token)
    assert accounts.new_setup_token(parts.store) is None


def test_a_password_that_is_refused_does_not_use_up_the_link(tmp_path):
    """Who mistypes can try again."""
    parts = open_instance(tmp_path / "instance")
    token = accounts.new_setup_token(parts.store) or ""
    with pytest.raises(RuleBroken):
        accounts.create_first_administrator(parts.store, token, "a@example.com", "short", NOW)
    assert accounts.create_first_administrator(parts.store, token, "a@example.com", PASSWORD, NOW).pk
