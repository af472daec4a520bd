"""`create_app(config, plugins)`: the one place that knows every part and puts them together.

All state is on the application (`app.extensions["fluxrate"]`), so two of them can live in one process. The factory
opens and migrates the store and loads the columns; it starts no thread. Names are frozen before it returns.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

from flask import Flask
from flask_smorest import Blueprint as ApiBlueprint
from werkzeug.middleware.proxy_fix import ProxyFix

from fluxrate import web
from fluxrate.config import Config, load_config
from fluxrate.core.catalog import Catalog
from fluxrate.core.checks import Limits
from fluxrate.core.engine import Engine
from fluxrate.core.errors import ConfigError
from fluxrate.core.ingest import Ingest
from fluxrate.core.live import LiveColumns
from fluxrate.core.pace import KeyRate, SignIns
from fluxrate.core.registry import Registry
from fluxrate.core.revenue.reading import Revenue
from fluxrate.core.services import Services
from fluxrate.core.store import Store, copying
from fluxrate.core.vitals import Vitals
from fluxrate.http import auth, headers, packed, problem, traffic
from fluxrate.http.application import Application
from fluxrate.http.slashes import MergeSlashes
from fluxrate.plugin import EXTENSION, Plugin
from fluxrate.plugins import (
    audit,
    columns,
    customers,
    forecast,
    health,
    ingest,
    invoices,
    keys,
    logs,
    meters,
    metrics,
    openapi,
    panels,
    plans,
    revenue,
    stripe,
    subscriptions,
    usage,
)

BUILT_IN: tuple[Plugin, ...] = (
    metrics.plugin,
    columns.plugin,
    meters.plugin,
    customers.plugin,
    ingest.plugin,
    usage.plugin,
    forecast.plugin,
    logs.plugin,
    plans.plugin,
    subscriptions.plugin,
    invoices.plugin,
    revenue.plugin,
    stripe.plugin,
    keys.plugin,
    audit.plugin,
    panels.plugin,
    health.plugin,
    openapi.plugin,
)
OWN_COMMANDS = (
    *("serve", "demo", "worker", "migrate", "plugins", "config", "version", "import", "export", "verify"),
    *("copy", "backup", "restore", "keys", "users", "meters"),
)
"""What the command line has without plugins; none may bring another of the same name."""
ENTRY_POINTS = "fluxrate.plugins"
_PAGES = "web"
"""The blueprint that the application brings itself."""

_SMOREST = {
    "API_TITLE": "Fluxrate",
    "API_VERSION": "v1",
    "OPENAPI_VERSION": "3.1.0",
    "OPENAPI_URL_PREFIX": "/",
    "OPENAPI_JSON_PATH": "openapi.json",
    "API_SPEC_OPTIONS": {
        "info": {"description": "Who used how much of what, when: exactly."},
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            }
        },
        "security": [{"key": []}, {"bearer": []}],
    },
}


def create_app(
    config: Config | None = None, plugins: Sequence[Plugin] | None = None, worker: int | None = None
) -> Flask:
    """A ready application on the instance of `config`; `plugins` replaces the built-in and installed ones, `worker` is
    the number of this process where several serve one address.

    Raises ConfigError for a wrong setting or plugin, Unavailable when the store cannot be reached.
    """
    config = config or load_config()
    logging.getLogger("fluxrate").setLevel(config.text("LOG_LEVEL"))
    app = Application("fluxrate", static_folder=None, template_folder=None)
    app.config.update(_SMOREST, MAX_CONTENT_LENGTH=config.number("MAX_BODY_BYTES"))
    app.wsgi_app = MergeSlashes(app.wsgi_app)  # type: ignore[method-assign]
    chosen = tuple(plugins) if plugins is not None else (*BUILT_IN, *installed_plugins(config))
    registry = _registry(chosen)
    parts = app.extensions[EXTENSION] = replace(build_services(config, registry), worker=worker)
    copying.put_to_use(parts.store)
    parts.live.load()
    headers.register(app)
    traffic.register(app)
    problem.register(app, web.error_page)
    if parts.key_rate.per_minute:
        app.after_request(auth.tell_rate)
    app.register_blueprint(web.blueprint())
    _register_blueprints(app, chosen)
    packed.register(app)
    registry.freeze()
    proxies = config.number("TRUSTED_PROXY")
    if proxies:
        # Outermost: whatever asks for the client's address, the scheme or the host asks after this.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies
        )
    return app


def build_services(config: Config, registry: Registry) -> Services:
    """Open and migrate the store: everything but HTTP. The columns are loaded at first use, or by `live.load()`."""
    store = open_store(config)
    store.migrate()
    live = LiveColumns(store, config.instance / "columns", config.number("COLUMNS_MAX_BYTES"))
    catalog = Catalog(store, config.number("REFRESH_INTERVAL_MS") / 1_000)
    vitals = Vitals.new(now())
    limits = Limits(config.number("MAX_FUTURE") * 1_000_000, config.flag("AUTO_CREATE_CUSTOMERS"))
    engine = Engine(store, catalog, live, registry.metrics)
    return Services(
        instance=config.instance,
        settings=config.values,
        in_force=config.in_force(),
        store=store,
        catalog=catalog,
        live=live,
        engine=engine,
        ingest=Ingest(store, catalog, live, registry.metrics, now, limits, vitals.intake),
        revenue=Revenue(store, engine, catalog),
        registry=registry,
        vitals=vitals,
        key_rate=KeyRate(config.number("RATE_LIMIT")),
        sign_ins=SignIns(),
        clock=now,
    )


def open_store(config: Config) -> Store:
    """The store as it is, not migrated; makes the instance folder. Raises ConfigError, or Unavailable at first use."""
    try:
        config.instance.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise ConfigError(f"The instance folder {config.instance} cannot be made: {why.strerror}.") from why
    return Store(config.database_url, config.number("MAX_QUEUED_EVENTS"))


def command_services(config: Config) -> Services:
    """The services of a command that serves nothing."""
    return build_services(config, _registry((*BUILT_IN, *installed_plugins(config))))


def now() -> int:
    """Now in UTC microseconds."""
    return time.time_ns() // 1_000


def installed_plugins(config: Config) -> list[Plugin]:
    """What strangers installed, in order of name; raises ConfigError for one that does not load."""
    folder = config.text("PLUGIN_DIR")
    if folder and not Path(folder).is_dir():
        raise ConfigError(f"PLUGIN_DIR is a folder of plugins, but {folder} is none.", field="PLUGIN_DIR")
    if folder and folder not in sys.path:
        # A frozen binary has no site-packages: this folder is where its further plugins are.
        sys.path.insert(0, folder)
    found = []
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        try:
            plugin = entry.load()
        except (Exception, SystemExit) as why:
            raise ConfigError(f"The plugin {entry.name} ({entry.value}) does not load: {why!r}.") from why
        if not isinstance(plugin, Plugin):
            raise ConfigError(f"The entry point {entry.name} ({entry.value}) is no fluxrate.plugin.Plugin value.")
        found.append(plugin)
    return found


def _registry(plugins: Sequence[Plugin]) -> Registry:
    registry = Registry()
    registry.blueprints.add(_PAGES, _PAGES, "fluxrate")
    for name in OWN_COMMANDS:
        registry.commands.add(name, name, "fluxrate")
    for plugin in plugins:
        registry.plugins.add(plugin.name, plugin, plugin.name)
        for metric in plugin.metrics:
            registry.metrics.add(metric.name, metric, plugin.name)
        for panel in sorted(plugin.panels, key=lambda panel: panel.rank):
            registry.panels.add(panel.name, panel, plugin.name)
        for job in plugin.jobs:
            registry.jobs.add(job.name, job, plugin.name)
        for command in plugin.commands:
            registry.commands.add(command.name, command, plugin.name)
        for blueprint in plugin.blueprints:
            registry.blueprints.add(blueprint.name, blueprint, plugin.name)
    return registry


def _register_blueprints(app: Flask, plugins: Sequence[Plugin]) -> None:
    api = problem.ProblemApi(app)
    for plugin in plugins:
        for blueprint in plugin.blueprints:
            if isinstance(blueprint, ApiBlueprint):
                api.register_blueprint(blueprint)
            else:
                app.register_blueprint(blueprint)
    problem.describe(api.spec)
    auth.check_scopes(app)
