"""The `fluxrate` command: a thin layer, each command reads its options and asks core.

Exit status 0; 1 when something failed, with one sentence on standard error; 2 for wrong usage. What a program may
want to read (a new key, say) goes to standard output alone.
"""

from __future__ import annotations

import logging
import platform
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import click
import numpy
import sqlalchemy
import tzdata

from fluxrate import __version__
from fluxrate.app import command_services, create_app, now, open_store
from fluxrate.config import SETTINGS, Config, Setting, load_config
from fluxrate.core import accounts, demo, meters, rows, trail
from fluxrate.core.calendar import rfc3339
from fluxrate.core.errors import FluxrateError, NotFound
from fluxrate.core.importer import Columns, Importer, Report
from fluxrate.core.model import COMMAND_LINE, SCOPES, Meter
from fluxrate.core.services import Services
from fluxrate.core.store import Store
from fluxrate.core.verify import counted, told, verify
from fluxrate.plugin import EXTENSION
from fluxrate.progress import Progress, Steps
from fluxrate.server import serve as serve_app

_LINES_SHOWN = 1_000
# What `config` prints is pasted into bug reports.
_PASSWORD_IN_URL = re.compile(r"(://[^/@:]*:)[^/]*(?=@)")


def _option(setting: Setting) -> Callable[[Any], Any]:
    name = "--" + setting.name.lower().replace("_", "-")
    return click.option(name, setting.name, default=None, metavar="VALUE", help=f"{setting.help} [{setting.default}]")


def configured(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of the instance and of every setting, and hand it the `Config` they make."""

    @click.pass_context
    def run(context: click.Context, /, instance: str | None, **options: Any) -> Any:
        given = {row.name: options.pop(row.name) for row in SETTINGS}
        given = {name: value for name, value in given.items() if value is not None}
        config = load_config(instance or context.find_root().params.get("instance"), given)
        return command(config, **options)

    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    decorated: Callable[..., Any] = run
    for setting in reversed(SETTINGS):
        decorated = _option(setting)(decorated)
    return click.option("--instance", metavar="DIR", help="The instance folder [FLUXRATE_INSTANCE, else ./instance].")(
        decorated
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--instance", metavar="DIR", help="The instance folder [FLUXRATE_INSTANCE, else ./instance].")
def cli(instance: str | None) -> None:
    """Fluxrate: exact, instant usage analytics from one process."""


def main(args: Sequence[str] | None = None) -> None:
    """Run the command; a refusal is one sentence on standard error and status 1."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        cli.main(args=args, prog_name="fluxrate")
    except FluxrateError as refused:
        click.echo(f"fluxrate: {refused.detail}", err=True)
        sys.exit(1)


_host = click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
_port = click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))


@cli.command()
@_host
@_port
@configured
def serve(config: Config, host: str, port: int) -> None:
    """Serve the pages and the API, migrating the store first."""
    app = create_app(config)
    parts: Services = app.extensions[EXTENSION]

    def ready(address: str) -> None:
        click.echo(f"Fluxrate {__version__} serves {address} from {config.instance}")
        token = accounts.new_setup_token(parts.store)
        if token:
            click.echo(f"Create the first administrator (this link works once): {address}/setup/{token}")

    serve_app(app, host, port, ready)


@cli.command("demo")
@_host
@_port
@configured
def demo_command(config: Config, host: str, port: int) -> None:
    """Serve an instance filled with a year of real flights, moved to end now."""
    app = create_app(config)
    parts: Services = app.extensions[EXTENSION]
    sign_in = _prepare_demo(parts)

    def ready(address: str) -> None:
        click.echo(f"Fluxrate {__version__} serves the demo at {address}")
        click.echo(f"Sign in as {sign_in.email} with the password {sign_in.password}")

    serve_app(app, host, port, ready)


def _prepare_demo(parts: Services) -> demo.SignIn:
    if demo.is_filled(parts):
        return demo.prepare(parts, lambda more: None)
    click.echo("The first start loads a year of flights, which takes about half a minute.", err=True)
    with click.progressbar(length=demo.ROWS, label="Loading", file=sys.stderr) as bar:
        return demo.prepare(parts, bar.update)


@cli.command()
@configured
def migrate(config: Config) -> None:
    """Bring the store's tables up to date."""
    applied = open_store(config).migrate()
    click.echo(f"Applied {', '.join(applied)}." if applied else "Nothing to migrate.")


@cli.command()
@configured
def plugins(config: Config) -> None:
    """List the plugins and what they bring."""
    for name, plugin in command_services(config).registry.plugins.all.items():
        brings = {
            "metrics": [metric.name for metric in plugin.metrics],
            "panels": [panel.name for panel in plugin.panels],
            "jobs": [job.name for job in plugin.jobs],
            "blueprints": [blueprint.name for blueprint in plugin.blueprints],
        }
        click.echo(f"{name}: " + "; ".join(f"{kind} {', '.join(names)}" for kind, names in brings.items() if names))


@cli.command()
def version() -> None:
    """Print the versions that figures depend on."""
    click.echo(f"fluxrate {__version__}")
    click.echo(f"python {platform.python_version()}, numpy {numpy.__version__}, sqlalchemy {sqlalchemy.__version__}")
    click.echo(f"tzdata {tzdata.IANA_VERSION}")


@cli.command("config")
@configured
def config_command(config: Config) -> None:
    """Print every setting with its value in force."""
    click.echo(f"instance = {config.instance}")
    for setting in SETTINGS:
        value = _PASSWORD_IN_URL.sub(r"\1***", repr(config.values[setting.name]))
        click.echo(f"{setting.name} = {value}  # {setting.help}")


@cli.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--meter", "meter_ref", required=True, help="The meter: id, meter_name or meter_token.")
@click.option("--customer", default=Columns.customer, show_default=True, help="Column of the customer's external id.")
@click.option("--timestamp", default=Columns.timestamp, show_default=True, help="Column of the time.")
@click.option("--quantity", default=Columns.quantity, show_default=True, help="Column of the quantity.")
@click.option("--quantity-value", help="The same quantity for every row, instead of a column.")
@click.option("--key", "keys_", multiple=True, help="Column of the idempotency key; several are joined.")
@click.option("--meta", multiple=True, help="Column kept as metadata; may be given several times.")
@click.option(
    "--format", "kind", type=click.Choice(rows.FORMATS), help="What the files are, where their names do not say."
)
@click.option("--strict", is_flag=True, help="Exit with status 1 if any row was rejected.")
@configured
def import_command(
    config: Config, files: tuple[str, ...], meter_ref: str, kind: str | None, strict: bool, **columns: Any
) -> None:
    """Import events from CSV or NDJSON files, gzip or not; - is standard input.

    Run it again after an interruption: what is in already counts once. Rows that cannot be events are reported with
    line and reason, the rest goes in.
    """
    columns["keys"] = columns.pop("keys_")
    parts = command_services(config)
    meter = _meter(parts, meter_ref)
    importer = Importer(parts.ingest, meter, Columns(**columns), now())
    rejected = 0
    for name in files:
        trail.import_started(parts.store, COMMAND_LINE, meter.meter_name, name, now())
        report = _import_file(importer, name, kind)
        rejected += report.rejected
        counts = (report.accepted, report.duplicates, report.rejected)
        trail.import_finished(parts.store, COMMAND_LINE, meter.meter_name, name, counts, now())
    parts.close()
    if rejected and strict:
        sys.exit(1)


def _meter(parts: Services, reference: str) -> Meter:
    found = parts.store.meters.find(reference)
    if found is None:
        raise NotFound(f"No meter has the id, meter_name or meter_token {reference!r}.")
    return found


def _import_file(importer: Importer, name: str, kind: str | None) -> Report:
    kind = kind or rows.format_of(name)
    if kind is None:
        raise click.UsageError(f"{name}: say what it is with --format csv or --format ndjson.")
    report, shown = Report(), 0

    def rejected(line: int, reason: str) -> None:
        nonlocal shown
        shown += 1
        if shown <= _LINES_SHOWN:
            click.echo(f"{name}:{line}: {reason}", err=True)

    with _opened(name) as file, Progress(name, file) as progress:
        header, lines = rows.read(file, kind)
        if header is not None:
            importer.columns.check(header)
        for report in importer.run(lines, Path(name).name, rejected):
            progress.show(report)
    if shown > _LINES_SHOWN:
        click.echo(f"{name}: {shown - _LINES_SHOWN} more rows were rejected.", err=True)
    click.echo(f"{name}: {report.accepted} accepted, {report.duplicates} duplicate, {report.rejected} rejected")
    return report


def _opened(name: str) -> BinaryIO:
    try:
        return sys.stdin.buffer if name == "-" else Path(name).open("rb")
    except OSError as why:
        raise click.UsageError(f"{name} cannot be read: {why.strerror}.") from why


@cli.command("verify")
@click.option("--questions", default=200, show_default=True, type=click.IntRange(1), help="How many to ask.")
@click.option("--seed", type=click.IntRange(0), help="The seed of an earlier run, to ask the same again.")
@click.option("--meter", "meter_refs", multiple=True, help="Only this meter; may be given several times.")
@configured
def verify_command(config: Config, questions: int, seed: int | None, meter_refs: tuple[str, ...]) -> None:
    """Ask random questions of the columns and of the SQL store, and print every difference.

    Works beside a running server, while events arrive. Exit status 1 if any answer differs.
    """
    started = time.monotonic()
    parts = command_services(config)
    asked = [_meter(parts, ref) for ref in meter_refs] or parts.store.meters.all()
    seed = now() if seed is None else seed
    parts.live.load()
    click.echo(f"Seed {seed}, {counted(len(asked), 'meter')}, as of sequence {parts.engine.as_of()}.")
    done = differences = 0
    with Steps("questions", questions) as steps:
        for outcome in verify(parts, asked, questions, seed):
            for line in told(outcome):
                steps.say(line)
            done, differences = outcome.number, differences + len(outcome.differences)
            steps.step()
    parts.store.close()
    seconds = f"{time.monotonic() - started:.1f} seconds"
    click.echo(f"{counted(done, 'question')}, {counted(differences, 'difference')}, {seconds}.")
    sys.exit(1 if differences else 0)


@cli.group()
def keys() -> None:
    """API keys."""


@keys.command("create")
@click.option("--name", required=True, help="What people know the key by.")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES))
@configured
def keys_create(config: Config, name: str, scopes: tuple[str, ...]) -> None:
    """Make a key and print its secret alone; it is not shown again."""
    _, secret = accounts.create_key(_store(config), name, scopes, now())
    click.echo(secret)


@keys.command("list")
@configured
def keys_list(config: Config) -> None:
    """List the keys, without their secrets."""
    for key in _store(config).keys.all():
        state = "revoked " + rfc3339(key.revoked_at) if key.revoked_at is not None else ", ".join(key.scopes)
        click.echo(f"{key.prefix}  {key.name}  {state}")


@keys.command("revoke")
@click.argument("key")
@configured
def keys_revoke(config: Config, key: str) -> None:
    """End the validity of KEY (id, prefix, or name where it is unique)."""
    store = _store(config)
    found = store.keys.find(key)
    if found is None:
        raise NotFound(f"No API key has the id, prefix or unique name {key!r}.")
    accounts.revoke_key(store, found, now())
    click.echo(f"{found.prefix} is revoked.", err=True)


def _store(config: Config) -> Store:
    return command_services(config).store


def _read_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


@cli.group()
def users() -> None:
    """Sign-in accounts."""


_password = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@users.command("create")
@click.argument("email")
@_password
@configured
def users_create(config: Config, email: str, password_stdin: bool) -> None:
    """Make an account for EMAIL."""
    user = accounts.create_user(_store(config), email, _read_password(password_stdin), now())
    click.echo(f"{user.email} can sign in.", err=True)


@users.command("passwd")
@click.argument("email")
@_password
@configured
def users_passwd(config: Config, email: str, password_stdin: bool) -> None:
    """Replace the password of EMAIL; its sessions end."""
    store = _store(config)
    user = store.users.by_email(email.strip().lower())
    if user is None:
        raise NotFound(f"No account has the address {email!r}.")
    accounts.set_password(store, user, _read_password(password_stdin), now())
    click.echo(f"{user.email} has a new password.", err=True)


@users.command("list")
@configured
def users_list(config: Config) -> None:
    """List the accounts."""
    for user in _store(config).users.all():
        click.echo(f"{user.email}  since {rfc3339(user.created_at)}")


@cli.group("meters")
def meters_group() -> None:
    """Meters."""


@meters_group.command("create")
@click.argument("meter_name")
@click.option(
    "--aggregation", "aggregation_type", required=True, help="SUM, COUNT, MAX, MIN, AVG, LAST, UNIQUE_COUNT, ..."
)
@click.option("--name", help="What people see; the METER_NAME unless said.")
@click.option("--unit")
@click.option("--decimals", default=meters.DEFAULT_DECIMALS, show_default=True, type=click.IntRange(0, 18))
@click.option("--property", "property_name", help="The property that carries the value, or is counted.")
@configured
def meters_create(config: Config, **fields: Any) -> None:
    """Make a meter and print its token."""
    parts = command_services(config)
    click.echo(meters.create(parts.store, parts.registry.metrics, fields, now()).meter_token)


@meters_group.command("list")
@configured
def meters_list(config: Config) -> None:
    """List the meters."""
    for meter in _store(config).meters.all():
        click.echo(
            f"{meter.meter_name}  {meter.aggregation_type}  {meter.unit or '-'}  {meter.status}  {meter.meter_token}"
        )
