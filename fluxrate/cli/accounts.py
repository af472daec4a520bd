"""`keys` and `users`: who may call the API, and who may sign in."""

from __future__ import annotations

import sys

import click

from fluxrate.app import now
from fluxrate.cli.options import configured, store_of
from fluxrate.config import Config
from fluxrate.core import accounts
from fluxrate.core.calendar import rfc3339
from fluxrate.core.errors import NotFound
from fluxrate.core.model import SCOPES, User
from fluxrate.core.store import Store


@click.group()
def keys() -> None:
    """API keys."""


@keys.command("create")
@click.option("--name", required=True, help="What people know the key by.")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES))
@configured
def keys_create(config: Config, name: str, scopes: tuple[str, ...]) -> None:
    """Make a key and print its secret alone; it is not shown again."""
    _, secret = accounts.create_key(store_of(config), name, scopes, now())
    click.echo(secret)


@keys.command("list")
@configured
def keys_list(config: Config) -> None:
    """List the keys, without their secrets."""
    for key in store_of(config).keys.all():
        state = "revoked " + rfc3339(key.revoked_at) if key.revoked_at is not None else ", ".join(key.scopes)
        click.echo(f"{key.prefix}  {key.name}  {state}")


@keys.command("revoke")
@click.argument("key")
@configured
def keys_revoke(config: Config, key: str) -> None:
    """End the validity of KEY (id, prefix, or name where it is unique)."""
    store = store_of(config)
    found = store.keys.find(key)
    if found is None:
        raise NotFound(f"No API key has the id, prefix or unique name {key!r}.")
    accounts.revoke_key(store, found, now())
    click.echo(f"{found.prefix} is revoked.", err=True)


def _read_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


@click.group()
def users() -> None:
    """Sign-in accounts."""


def _account(store: Store, email: str) -> User:
    user = store.users.by_email(email.strip().lower())
    if user is None:
        raise NotFound(f"No account has the address {email!r}.")
    return user


_password = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@users.command("create")
@click.argument("email")
@_password
@configured
def users_create(config: Config, email: str, password_stdin: bool) -> None:
    """Make an account for EMAIL."""
    user = accounts.create_user(store_of(config), email, _read_password(password_stdin), now())
    click.echo(f"{user.email} can sign in.", err=True)


@users.command("passwd")
@click.argument("email")
@_password
@configured
def users_passwd(config: Config, email: str, password_stdin: bool) -> None:
    """Replace the password of EMAIL; its sessions end."""
    store = store_of(config)
    user = _account(store, email)
    accounts.set_password(store, user, _read_password(password_stdin), now())
    click.echo(f"{user.email} has a new password.", err=True)


@users.command("remove")
@click.argument("email")
@configured
def users_remove(config: Config, email: str) -> None:
    """Take the account of EMAIL away; its sessions end."""
    store = store_of(config)
    user = _account(store, email)
    accounts.remove_user(store, user, now())
    click.echo(f"{user.email} can no longer sign in.", err=True)


@users.command("list")
@configured
def users_list(config: Config) -> None:
    """List the accounts."""
    for user in store_of(config).users.all():
        click.echo(f"{user.email}  since {rfc3339(user.created_at)}")
