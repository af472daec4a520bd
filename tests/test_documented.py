"""The papers are complete: whatever a user may set, call, ask by or type is named in docs/, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fluxrate.cli import cli
from fluxrate.config import SETTINGS
from fluxrate.core.filters import FILTERS
from tests.callers import parts_of

DOCS = Path(__file__).resolve().parent.parent / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def test_every_setting_is_documented():
    """docs/configuration.md names each setting with its default, and none that is not there."""
    text = page("configuration.md")
    for setting in SETTINGS:
        assert f"`{setting.name}`" in text, setting.name
    rows = set(re.findall(r"^\| *`([A-Z][A-Z_]+)`", text, re.MULTILINE))
    assert rows == {setting.name for setting in SETTINGS}


def test_every_route_is_documented(module_app):
    """docs/api.md names each route under /api with its method; those at the root it shares with docs/operations.md."""
    text = page("api.md")
    for rule in module_app.url_map.iter_rules():
        if rule.rule.startswith("/api"):
            path = rule.rule.removeprefix("/api/v1").replace("<", "{").replace(">", "}")
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                assert re.search(rf"`{method} (/api/v1)?{re.escape(path)}[`?]", text), f"{method} {path}"
    for path in ("/health", "/ready", "/metrics", "/docs", "/openapi.json"):
        assert path in text + page("operations.md")


def test_every_metric_is_documented(module_app):
    """docs/metrics.md names each metric that can aggregate a meter."""
    text = page("metrics.md")
    for name in parts_of(module_app).registry.metrics.all:
        assert f"`{name}`" in text, name


def commands() -> list[str]:
    found = []
    for name, command in cli.commands.items():
        if command.hidden:
            continue
        inner = getattr(command, "commands", None)
        found += [f"{name} {part}" for part in inner] if inner else [name]
    return found


@pytest.mark.parametrize("command", commands())
def test_every_command_is_documented(command):
    """docs/command-line.md names each command as it is typed; its own options are there or on the page it leads to."""
    assert f"fluxrate {command}" in page("command-line.md")
    text = page("command-line.md") + page("import.md")
    node = cli
    for name in command.split():
        node = node.commands[name]
    shared = {f"--{setting.name.lower().replace('_', '-')}" for setting in SETTINGS} | {"--instance"}
    for parameter in node.params:
        for option in set(parameter.opts) - shared:
            if option.startswith("--"):
                assert option in text, f"{command} {option}"


def test_every_filter_is_documented():
    """docs/api.md names each filter that narrows a list or a figure."""
    text = page("api.md")
    for row in FILTERS:
        assert f"`{row.name}`" in text or f"`{row.name}=" in text, row.name
