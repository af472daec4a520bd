"""Every setting in one table of (name, default, help); strict about unknown names and bad values.

A setting is given as environment variable `FLUXRATE_<NAME>`, as `name = value` in `config.toml` of the instance folder,
or as an option of the command line; the later wins over the earlier in the order file, environment, option. The type of
the default is the type of the setting.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fluxrate.core.errors import ConfigError
from fluxrate.core.model import InForce

PREFIX = "FLUXRATE_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table."""

    name: str
    default: bool | int | str
    help: str
    least: int | None = None
    secret: bool = False
    """Whether its value is nobody's to read: only that it is set is shown."""


SETTINGS: tuple[Setting, ...] = (
    Setting("DATABASE_URL", "", "Where events are kept: empty for SQLite in the instance folder, or postgresql://..."),
    Setting(
        "AUTO_CREATE_CUSTOMERS", True, "Create a customer at its first event; false answers 404 for an unknown one."
    ),
    Setting("MAX_FUTURE", 86_400, "Seconds an event may lie ahead of the server's clock.", 0),
    Setting("REFRESH_INTERVAL_MS", 1_000, "How often events written by other processes are taken in.", 50),
    Setting("SAVE_INTERVAL", 60, "Seconds between looks at whether the columns are worth saving.", 1),
    Setting(
        "COLUMNS_MAX_BYTES",
        0,
        "Most bytes of columns kept in memory; meters not asked for are let go first; 0 sets no limit.",
        0,
    ),
    Setting("MAX_BODY_BYTES", 10_485_760, "Largest request body in bytes.", 1_024),
    Setting("MAX_BATCH", 10_000, "Most events in one request.", 1),
    Setting(
        "MAX_QUEUED_EVENTS",
        100_000,
        "Most events that wait to be written; beyond it a post answers 503 at once, to be sent again.",
        1,
    ),
    Setting(
        "THREADS",
        32,
        "Threads of each serving process that answer requests; posts that wait together share a commit.",
        1,
    ),
    Setting(
        "ONE_PROCESSOR",
        True,
        "Keep the threads that answer on one processor, which makes them faster; jobs and workers have the others.",
    ),
    Setting("SESSION_IDLE_HOURS", 72, "A browser session ends after this long without use.", 1),
    Setting("SESSION_DAYS", 30, "A browser session ends after this long in any case.", 1),
    Setting("SECURE_COOKIES", False, "Send the session cookie over TLS only; set it when a TLS proxy stands in front."),
    Setting(
        "TRUSTED_PROXY",
        0,
        "Proxies in front whose X-Forwarded-For, -Proto and -Host are believed; 0 believes none.",
        0,
    ),
    Setting("RATE_LIMIT", 0, "Requests a minute that one API key may make; 0 sets no limit.", 0),
    Setting("METRICS_PUBLIC", False, "Answer GET /metrics without a key; false asks for one with usage.read."),
    Setting(
        "STRIPE_WEBHOOK_SECRET",
        "",
        "The signing secret of the endpoint that Stripe sends its events to; empty takes none.",
        secret=True,
    ),
    Setting("PLUGIN_DIR", "", "A folder of further plugins, looked into before installed ones."),
    Setting("LOG_LEVEL", "INFO", "How much is logged: DEBUG, INFO, WARNING or ERROR."),
)

_BY_NAME = {setting.name: setting for setting in SETTINGS}
# In the place of a user or among the parameters. What is shown is pasted into bug reports.
_PASSWORD = re.compile(r"(://[^/@:]*:)[^/]*(?=@)|(password=)[^&'\"]*", re.IGNORECASE)
_NOT_SETTINGS = frozenset({"FLUXRATE_INSTANCE", "FLUXRATE_TEST_STRICT"})
_ENVIRONMENT = "the environment"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True)
class Config:
    """The instance folder and a value for every setting."""

    instance: Path
    values: Mapping[str, bool | int | str]
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each setting that somebody set was set."""

    def flag(self, name: str) -> bool:
        """A setting that is on or off."""
        return bool(self.values[name])

    def number(self, name: str) -> int:
        """A setting that is a whole number."""
        return int(self.values[name])

    def text(self, name: str) -> str:
        """A setting that is a text."""
        return str(self.values[name])

    def in_force(self) -> tuple[InForce, ...]:
        """Every setting for people to read, passwords left out."""
        return tuple(
            InForce(
                setting.name,
                shown(setting, _text(self.values[setting.name])),
                self.sources.get(setting.name),
                setting.help,
            )
            for setting in SETTINGS
        )

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the store."""
        return self.text("DATABASE_URL") or f"sqlite:///{self.instance / 'fluxrate.db'}"


def instance_folder(option: str | None, environ: Mapping[str, str]) -> Path:
    """The folder an instance lives in: the option, else `FLUXRATE_INSTANCE`, else `./instance`."""
    return Path(option or environ.get("FLUXRATE_INSTANCE") or "instance").absolute()


def load_config(
    instance: str | None = None, options: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> Config:
    """Read file, environment and options. Raises ConfigError that names the setting that is unknown or wrong."""
    environ = os.environ if environ is None else environ
    folder = instance_folder(instance, environ)
    values: dict[str, bool | int | str] = {setting.name: setting.default for setting in SETTINGS}
    sources: dict[str, str] = {}
    for found, source in (
        (_from_file(folder / "config.toml"), f"{folder / 'config.toml'}"),
        (_from_environment(environ), _ENVIRONMENT),
        (dict(options or {}), "the command line"),
    ):
        values |= _checked(found, source)
        sources |= dict.fromkeys(found, source)
    return Config(folder, values, sources)


def shown(setting: Setting, text: str) -> str:
    """The value of a setting as it may be shown; `text` is how it is written."""
    return "***" if setting.secret and text.strip("'") else without_password(text)


def without_password(text: str) -> str:
    """The value of a setting as it may be shown: the password in an address is left out."""
    return _PASSWORD.sub(r"\1\2***", text)


def _text(value: bool | int | str) -> str:
    """As it is written in the file."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as why:
        raise ConfigError(f"{path} cannot be read as TOML: {why}.") from why
    return {name.upper(): value for name, value in found.items()}


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX): value
        for name, value in environ.items()
        if name.startswith(PREFIX) and name not in _NOT_SETTINGS
    }


def _checked(found: Mapping[str, Any], source: str) -> dict[str, bool | int | str]:
    checked = {}
    for name, value in found.items():
        setting = _BY_NAME.get(name)
        if setting is None:
            sent = PREFIX + name if source == _ENVIRONMENT else name
            raise ConfigError(f"{sent} in {source} is no setting; there are {', '.join(_BY_NAME)}.", field=name)
        checked[name] = _value(setting, value, source)
    return checked


def _value(setting: Setting, value: Any, source: str) -> bool | int | str:
    def wrong(expected: str) -> ConfigError:
        return ConfigError(f"{setting.name} in {source} is {expected}, but {value!r} came.", field=setting.name)

    if isinstance(setting.default, bool):
        found = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(str(value).lower())
        if found is None:
            raise wrong("true or false")
        return found
    if isinstance(setting.default, int):
        text = str(value)
        if isinstance(value, bool) or not (text.isascii() and text.isdigit()) or int(text) < (setting.least or 0):
            raise wrong(f"a whole number of at least {setting.least or 0}")
        return int(text)
    if setting.name == "LOG_LEVEL" and value not in _LEVELS:
        raise wrong(f"one of {', '.join(_LEVELS)}")
    if not isinstance(value, str):
        raise wrong("a text")
    return value
