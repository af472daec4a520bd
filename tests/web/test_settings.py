"""The pages of settings and plugins: each setting in force with where it was set, no password; what plugins bring."""

from __future__ import annotations

import re

import pytest

from fluxrate import __version__
from fluxrate.app import BUILT_IN, create_app
from fluxrate.config import SETTINGS, load_config, without_password
from fluxrate.core import accounts
from fluxrate.plugin import EXTENSION
from tests.web.conftest import EMAIL, PASSWORD, visible


def test_every_setting_says_its_value_its_source_and_what_it_does(tmp_path):
    (tmp_path / "config.toml").write_text("threads = 3\nmax_batch = 5\n")
    environment = {"FLUXRATE_MAX_BATCH": "7", "FLUXRATE_RATE_LIMIT": "9"}
    app = create_app(load_config(str(tmp_path), {"RATE_LIMIT": 11}, environment))
    services = app.extensions[EXTENSION]
    accounts.create_user(services.store, EMAIL, PASSWORD, services.clock())
    client = app.test_client()
    client.post("/sign-in", data={"email": EMAIL, "password": PASSWORD})
    html = client.get("/settings").text
    rows = {}
    for row in re.findall(r"<tr>(.*?)</tr>", html[html.index("in-force") :], re.DOTALL):
        cells = [visible(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)]
        if len(cells) == 4:
            rows[cells[0].split()[0]] = (cells[1].split()[0], cells[2])
    assert set(rows) == {setting.name for setting in SETTINGS}
    assert rows["THREADS"] == ("3", str(tmp_path / "config.toml"))
    assert rows["MAX_BATCH"] == ("7", "the environment")
    assert rows["RATE_LIMIT"] == ("11", "the command line")
    assert rows["SAVE_INTERVAL"] == ("60", "default")
    assert rows["DATABASE_URL"] == ("empty", "default")
    text = visible(html)
    assert __version__ in text
    services.close()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://me:s3cret@db/x", "postgresql://me:***@db/x"),
        ("postgresql://me:a@b@db/x", "postgresql://me:***@db/x"),
        ("postgresql:///x?user=me&password=s3cret&sslmode=require", "postgresql:///x?user=me&password=***&sslmode=require"),
        ("sqlite:////srv/fluxrate.db", "sqlite:////srv/fluxrate.db"),
    ],
)  # fmt: skip
def test_no_password_is_shown(given, shown):
    assert without_password(given) == shown


def test_every_plugin_says_what_it_brings(filled):
    text = visible(filled.client.get("/settings/plugins").text)
    for plugin in BUILT_IN:
        assert plugin.name in text
    for brought in ("SUM Sum", "columns.fold every 5 s", "trend Trend", "/api/v1/meters GET, POST", "/health GET"):
        assert brought in text
    assert "static" not in text


def test_the_pages_of_settings_lead_to_each_other(filled):
    for path in (
        "/settings",
        "/settings/keys",
        "/settings/accounts",
        "/settings/audit",
        "/settings/health",
        "/settings/plugins",
    ):
        html = filled.client.get(path).text
        assert f'href="{path}" aria-current="page"' in html
        for other in ("API keys", "Accounts", "Audit trail", "Health", "Plugins"):
            assert other in html


def test_a_page_that_fails_offers_another_try(empty):
    def fails():
        raise RuntimeError("no figure for this")

    empty.app.view_functions["web.settings"] = fails
    answer = empty.client.get("/settings?timezone=UTC")
    assert answer.status_code == 500
    assert "The server could not answer this" in answer.text
    assert '<a href="">Try again</a>' in answer.text
    assert "no figure" not in answer.text
    assert "Try again" not in empty.client.get("/nowhere").text
