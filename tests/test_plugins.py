"""The plugin door: what ships with the program and what strangers bring come in the same way, and nothing in
silence.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Blueprint, Flask

from fluxrate.app import BUILT_IN, OWN_COMMANDS, create_app
from fluxrate.cli import cli
from fluxrate.config import load_config
from fluxrate.core.errors import ConfigError
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.plugin import Command, Job, Metric, Panel, Plugin, services
from fluxrate.plugins import health, meters, metrics, usage
from tests.callers import Api, exact, parts_of, problem

P95 = '''
"""A stranger's metric: the smallest quantity that 95 of 100 events do not exceed."""

import numpy as np

from fluxrate.core import amounts
from fluxrate.plugin import Metric, Plugin


def _partial(rows, bounds):
    found = np.full(len(bounds) - 1, -1, np.int64)
    for bucket, (first, last) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist())):
        if last > first:
            found[bucket] = np.sort(rows.quantity[first:last])[-(-(last - first) * 95 // 100) - 1]
    return (found,)


def _finish(partial, counts, decimals):
    return [amounts.to_number(value, decimals) if count else None for value, count in zip(partial[0].tolist(), counts)]


plugin = Plugin("percentiles", metrics=(Metric("P95", "95th percentile", _partial, _finish, None, None),))
'''


def stranger(folder: Path, name: str, entry: str, source: str | None) -> None:
    """A distribution as pip leaves it: its module, and the metadata that names the entry point."""
    folder.mkdir(exist_ok=True)
    if source is not None:
        (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[fluxrate.plugins]\n{entry}\n")


@pytest.fixture
def plugin_dir(tmp_path, monkeypatch):
    """A folder for strangers; what is imported from it is forgotten after the test."""
    modules = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path / "plugins"
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def test_an_application_has_exactly_the_plugins_it_is_given(make_app):
    """`plugins=` replaces the built-in ones: with three of them there are their metrics and routes and no others."""
    app = make_app(plugins=(metrics.plugin, meters.plugin, health.plugin))
    assert list(parts_of(app).registry.plugins.all) == ["metrics", "meters", "health"]
    api = Api(app)
    assert api.meter()["aggregation_type"] == "SUM"
    problem(api.get("/meters/calls/usage"), 404)
    assert app.test_client().get("/health").status_code == 200
    assert not parts_of(app).registry.jobs.all


def test_two_applications_share_nothing(make_app):
    """Two of them in one process have each its own plugins, meters and keys."""
    one, other = make_app("one"), make_app("other", plugins=(metrics.plugin, meters.plugin, usage.plugin))
    Api(one).meter("only_here")
    problem(Api(other).get("/meters/only_here"), 404)
    problem(Api(other, Api(one).secret).get("/meters"), 401)
    assert len(parts_of(one).registry.plugins.all) == len(BUILT_IN)


def test_without_metrics_a_meter_cannot_be_made(make_app):
    """A metric is a plugin's like everything else: without that plugin its name is unknown."""
    api = Api(make_app(plugins=(meters.plugin,)))
    problem(api.post("/meters", {"meter_name": "m", "aggregation_type": "SUM"}), 422, "aggregation_type")


SUM = next(metric for metric in metrics.plugin.metrics if metric.name == "SUM")
PANEL = Panel("trend", "Trend", "panels/trend.html", lambda context: None)
COMMAND = Command("import-plans", "Do something else.", lambda parts: None)
JOB = Job("columns.refresh", lambda settings: 1, lambda parts: None)


@pytest.mark.parametrize(
    ("plugin", "kind", "name", "owner"),
    [
        (Plugin("mine", metrics=(SUM,)), "metric", "SUM", "metrics"),
        (Plugin("mine", panels=(PANEL,)), "panel", "trend", "panels"),
        (Plugin("mine", jobs=(JOB,)), "job", "columns.refresh", "columns"),
        (Plugin("mine", commands=(COMMAND,)), "command", "import-plans", "plans"),
        (Plugin("mine", commands=(Command("serve", "Serve.", print),)), "command", "serve", "fluxrate"),
        (Plugin("mine", blueprints=(Blueprint("health", __name__),)), "blueprint", "health", "health"),
        (Plugin("mine", blueprints=(ApiBlueprint("usage", __name__),)), "blueprint", "usage", "usage"),
        (Plugin("mine", blueprints=(Blueprint("web", __name__),)), "blueprint", "web", "fluxrate"),
        (Plugin("usage"), "plugin", "usage", "usage"),
        (Plugin("mine", metrics=(dataclasses.replace(SUM, name="X"),) * 2), "metric", "X", "mine"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_name_used_twice_stops_the_start_and_names_both_owners(tmp_path, plugin, kind, name, owner):
    """The second of two equal names is refused with its plugin and the one that came first."""
    with pytest.raises(ConfigError) as caught:
        create_app(load_config(str(tmp_path), environ={}), (*BUILT_IN, plugin))
    detail = caught.value.detail
    assert f"The {kind} {name!r} of plugin {plugin.name!r} is already there, from plugin {owner!r}" in detail


def test_the_registry_freezes(app):
    """After start-up nothing can be added, whatever its kind."""
    registry = parts_of(app).registry
    kinds = (registry.plugins, registry.metrics, registry.panels, registry.jobs, registry.commands, registry.blueprints)
    for names in kinds:
        with pytest.raises(ConfigError, match="after start-up was complete"):
            names.add("late", object(), "mine")
    with pytest.raises(TypeError):
        registry.metrics.all["late"] = SUM
    with pytest.raises(dataclasses.FrozenInstanceError):
        metrics.plugin.name = "other"


def test_a_plugins_view_gets_at_the_services(make_app):
    """A view of a plugin asks `services()` for store and engine; its blueprint is served beside the built-in ones."""
    blueprint = Blueprint("mine", __name__)
    blueprint.add_url_rule("/mine", "view", lambda: f"{len(services().store.meters.all())} meters")
    app = make_app(plugins=(*BUILT_IN, Plugin("mine", blueprints=(blueprint,))))
    Api(app).meter()
    assert app.test_client().get("/mine").text == "1 meters"


def test_a_view_that_fails_is_logged_and_tells_nothing(make_app, caplog):
    """A stranger's mistake is a 500 problem without a word of it, and the log has the traceback."""
    blueprint = ApiBlueprint("mine", __name__, url_prefix="/api/v1/mine")

    def fail() -> None:
        raise ZeroDivisionError("a secret of the inside")

    fail.needs_scope = "public"
    blueprint.add_url_rule("", "view", fail)
    app = make_app(plugins=(*BUILT_IN, Plugin("mine", blueprints=(blueprint,))))
    response = app.test_client().get("/api/v1/mine")
    assert "secret" not in str(problem(response, 500, "log has the reason"))
    assert "a secret of the inside" in caplog.text


def test_a_strangers_metric_from_a_folder_works_like_our_own(make_app, plugin_dir):
    """P95 of a distribution in PLUGIN_DIR aggregates a meter, answers `metric=`, and is listed with its plugin."""
    stranger(plugin_dir, "percentiles", "p95 = percentiles:plugin", P95)
    app = make_app(PLUGIN_DIR=str(plugin_dir))
    api = Api(app)
    api.meter("latency", "P95")
    api.meter("calls", "SUM")
    batch = [
        {
            "meter_name": name,
            "customer_external_id": f"c{i % 2}",
            "quantity": f"{i}.5",
            "timestamp": f"2025-01-{1 + i % 2:02}",
        }
        for name in ("latency", "calls")
        for i in range(1, 101)
    ]
    assert api.post("/events", batch).json["accepted"] == 200
    window = {"start_date": "2025-01-01", "end_date": "2025-01-03"}
    own = exact(api.get("/meters/latency/usage", **window))
    asked = exact(api.get("/meters/calls/usage", metric="P95", **window))
    for body in (own, asked):
        assert (body["metric"], str(body["total_usage"])) == ("P95", "95.5")
        # The 48th of 50 even numbers, the 48th of 50 odd ones, nothing.
        assert [str(bucket["usage"]) for bucket in body["grouped_data"]] == ["96.5", "95.5", "None"]
    assert (own["aggregation_type"], asked["aggregation_type"]) == ("P95", "SUM")
    assert exact(api.get("/meters/latency/stats"))["today_usage"] is None
    rows = {row["name"]: row for row in api.get("/metrics").json["data"]}
    assert rows["P95"] == {"name": "P95", "label": "95th percentile", "plugin": "percentiles", "combines": False}


def test_without_its_plugin_a_meter_says_what_is_missing(make_app, plugin_dir):
    """A meter whose metric is gone answers with a sentence that names it, and the others go on."""
    stranger(plugin_dir, "percentiles", "p95 = percentiles:plugin", P95)
    api = Api(make_app(PLUGIN_DIR=str(plugin_dir)))
    api.meter("latency", "P95")
    api.meter("calls")
    api.track("latency")
    without = Api(make_app(plugins=BUILT_IN), api.secret)
    problem(without.get("/meters/latency/usage"), 422, "aggregation_type", "'P95'")
    problem(
        without.post("/sdk/track", {"meter_name": "latency", "customer_external_id": "a", "quantity": 1}), 422, "'P95'"
    )
    assert without.get("/meters/calls/usage").status_code == 200
    assert without.get("/meters/latency").json["aggregation_type"] == "P95"


@pytest.mark.parametrize(
    ("source", "entry", "said"),
    [
        ("plugin = 5", "broken = broken:plugin", "is no fluxrate.plugin.Plugin"),
        ("raise RuntimeError('half installed')", "broken = broken:plugin", "half installed"),
        ("", "broken = broken:plugin", "plugin"),
        ("this is no Python", "broken = broken:plugin", "SyntaxError"),
        (None, "broken = broken:plugin", "No module named 'broken'"),
        ("import sys\nsys.exit(3)", "broken = broken:plugin", "SystemExit"),
    ],
)
def test_a_stranger_that_does_not_load_stops_the_start(tmp_path, plugin_dir, source, entry, said):
    """An entry point that fails, or names no plugin, stops start-up with its name and the reason."""
    stranger(plugin_dir, "broken", entry, source)
    with pytest.raises(ConfigError, match="broken") as caught:
        create_app(load_config(str(tmp_path / "instance"), {"PLUGIN_DIR": str(plugin_dir)}, environ={}))
    assert said in caught.value.detail


def test_a_plugin_folder_that_is_not_there_stops_the_start(tmp_path):
    """A mistyped PLUGIN_DIR must not mean: no plugins."""
    with pytest.raises(ConfigError, match="PLUGIN_DIR"):
        create_app(load_config(str(tmp_path), {"PLUGIN_DIR": str(tmp_path / "nope")}, environ={}))


def test_the_command_finds_strangers_too(tmp_path):
    """`fluxrate plugins` in a process of its own lists what PLUGIN_DIR brings, and a broken one is a sentence."""
    folder = tmp_path / "plugins"
    stranger(folder, "percentiles", "p95 = percentiles:plugin", P95)
    environment = {"PATH": os.environ["PATH"], "FLUXRATE_PLUGIN_DIR": str(folder)}
    command = [sys.executable, "-m", "fluxrate", "--instance", str(tmp_path / "instance"), "plugins"]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert ran.returncode == 0
    assert "percentiles: metrics P95\n" in ran.stdout


GREETING = '''
"""A stranger's command."""

import click

from fluxrate.core.errors import RuleBroken
from fluxrate.plugin import Command, Plugin


def greet(parts, name, loud):
    if name == "nobody":
        raise RuleBroken("Somebody is greeted, but nobody came.")
    click.echo(f"Hello {name}, {len(parts.store.meters.all())} meters")
    return 3 if loud else None


params = (click.Argument(["name"]), click.Option(["--loud"], is_flag=True))
plugin = Plugin("greeting", commands=(Command("greet", "Greet somebody.", greet, params),))
'''


def test_a_strangers_command_is_one_of_fluxrate(tmp_path):
    """It is listed and explained, reads its own options beside those of every command, is given the services, and
    says by its status and in one sentence what failed.
    """
    folder = tmp_path / "plugins"
    stranger(folder, "greeting", "greeting = greeting:plugin", GREETING)
    environment = {"PATH": os.environ["PATH"], "FLUXRATE_PLUGIN_DIR": str(folder)}

    def ran(*args: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "fluxrate", "--instance", str(tmp_path / "instance"), *args]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    assert "greet  " in ran("--help")[1]
    assert "Greet somebody." in ran("greet", "--help")[1]
    assert ran("greet", "Ada") == (0, "Hello Ada, 0 meters\n", "")
    assert ran("greet", "--loud", "--log-level", "ERROR", "Ada")[0] == 3
    assert ran("greet", "nobody") == (1, "", "fluxrate: Somebody is greeted, but nobody came.\n")
    assert ran("greet")[0] == 2
    assert "greeting: commands greet\n" in ran("plugins")[1]
    (folder / "greeting.py").write_text("plugin = 5")
    assert "serve " in ran("--help")[1]
    assert ran("greet", "Ada")[0] == 1


@pytest.mark.parametrize("name", ["", "Greet", "greet me", "-greet", "x" * 41])
def test_a_command_has_a_name_that_can_be_typed(name):
    with pytest.raises(ConfigError, match="command's name"):
        Command(name, "Greet.", print)


def test_our_own_commands_are_reserved():
    """What the command line has itself is what no plugin may bring."""
    brought = {command.name for plugin in BUILT_IN for command in plugin.commands}
    assert set(cli.commands) - brought == set(OWN_COMMANDS)


def test_a_metric_says_honestly_that_it_does_not_combine():
    """Of the built-in metrics only the distinct count needs all rows at once."""
    assert [metric.name for metric in metrics.plugin.metrics if metric.combine is None] == ["UNIQUE_COUNT"]
    assert all(isinstance(metric, Metric) for metric in metrics.plugin.metrics)


def test_the_factory_starts_no_thread(tmp_path):
    """An application that is only made runs nothing in the background."""
    import threading

    before = set(threading.enumerate())
    app = create_app(load_config(str(tmp_path), environ={}))
    assert isinstance(app, Flask)
    assert set(threading.enumerate()) == before
    parts_of(app).close()
