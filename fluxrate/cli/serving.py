"""`serve` and `demo`: the commands that run until they are told to end."""

from __future__ import annotations

import sys

import click

from fluxrate import __version__
from fluxrate.app import create_app, open_store
from fluxrate.cli.options import configured
from fluxrate.config import Config
from fluxrate.core import accounts, demo
from fluxrate.core.services import Services
from fluxrate.core.store import Store
from fluxrate.plugin import EXTENSION
from fluxrate.serving import server, workers

_MOST_WORKERS = 64

_host = click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
_port = click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))


@click.command()
@_host
@_port
@click.option(
    "--workers",
    "count",
    default=1,
    show_default=True,
    type=click.IntRange(1, _MOST_WORKERS),
    help="Processes that serve the address together.",
)
@configured
def serve(config: Config, host: str, port: int, count: int) -> None:
    """Serve the pages and the API, migrating the store first."""
    sockets = server.listen(host, port)
    address = server.address_of(host, port)
    if count > 1:
        # Once, here: so a store that is away or too new is one sentence and not one of each worker.
        store = open_store(config)
        store.migrate()
        workers.Workers(config, sockets, count).run(lambda: _greet(config, store, address))
        return
    app = create_app(config)
    parts: Services = app.extensions[EXTENSION]
    server.serve(app, sockets, lambda: _greet(config, parts.store, address))


def _greet(config: Config, store: Store, address: str) -> None:
    click.echo(f"Fluxrate {__version__} serves {address} from {config.instance}")
    token = accounts.new_setup_token(store)
    if token:
        click.echo(f"Create the first administrator (this link works once): {address}/setup/{token}")


@click.command(hidden=True)
@click.option("--number", required=True, type=click.IntRange(1))
@click.option("--sockets", "listening", required=True)
@configured
def worker(config: Config, number: int, listening: str) -> None:
    """Serve as one of the workers of `serve --workers`, which starts it."""
    app = create_app(config, worker=number)
    parts: Services = app.extensions[EXTENSION]
    parts.live.save()
    server.serve(app, workers.inherited(listening), workers.say_ready)


@click.command("demo")
@_host
@_port
@configured
def demo_command(config: Config, host: str, port: int) -> None:
    """Serve an instance filled with a year of real flights, moved to end now."""
    sockets = server.listen(host, port)
    app = create_app(config)
    parts: Services = app.extensions[EXTENSION]
    sign_in = _prepare_demo(parts)

    def ready() -> None:
        click.echo(f"Fluxrate {__version__} serves the demo at {server.address_of(host, port)}")
        click.echo(f"Sign in as {sign_in.email} with the password {sign_in.password}")

    server.serve(app, sockets, ready)


def _prepare_demo(parts: Services) -> demo.SignIn:
    if demo.is_filled(parts):
        return demo.prepare(parts, lambda more: None)
    click.echo("The first start loads a year of flights, which takes about half a minute.", err=True)
    with click.progressbar(length=demo.ROWS, label="Loading", file=sys.stderr) as bar:
        return demo.prepare(parts, bar.update)
