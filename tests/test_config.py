"""Settings: one table, three places to set them, and no doubt about which was meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fluxrate.config import SETTINGS, Setting, instance_folder, load_config
from fluxrate.core.errors import ConfigError

NAMES = [setting.name for setting in SETTINGS]
SETTABLE = {
    "DATABASE_URL": "postgresql://x/y",
    "PLUGIN_DIR": "/tmp",
    "LOG_LEVEL": "DEBUG",
    "STRIPE_WEBHOOK_SECRET": "whsec_1",
}


def other(setting: Setting) -> tuple[str, bool | int | str]:
    """A right text for the setting that is not its default, and the value it stands for."""
    if isinstance(setting.default, bool):
        return ("false", False) if setting.default else ("true", True)
    if isinstance(setting.default, int):
        return str(setting.default + 1), setting.default + 1
    return SETTABLE[setting.name], SETTABLE[setting.name]


def test_the_table_is_in_order():
    """Every row has a name in capitals, a sentence of help and a default, and no name comes twice."""
    assert len(set(NAMES)) == len(NAMES)
    for setting in SETTINGS:
        assert re.fullmatch(r"[A-Z][A-Z_]+", setting.name)
        assert setting.help[0].isupper()
        assert setting.help.endswith(".")


def test_without_anything_the_defaults_hold(tmp_path):
    """No file, no environment, no option: every default, and SQLite in the instance folder."""
    config = load_config(str(tmp_path), environ={})
    assert dict(config.values) == {setting.name: setting.default for setting in SETTINGS}
    assert config.database_url == f"sqlite:///{tmp_path / 'fluxrate.db'}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("setting", SETTINGS, ids=NAMES)
def test_every_setting_can_be_given_in_three_places(tmp_path, setting):
    """File, environment and option each set it to a value of its type."""
    text, value = other(setting)
    literal = text if isinstance(setting.default, int) else f"'{text}'"
    environ = {f"FLUXRATE_{setting.name}": text}
    assert load_config(str(tmp_path), environ=environ).values[setting.name] == value
    assert load_config(str(tmp_path), {setting.name: text}, environ={}).values[setting.name] == value
    (tmp_path / "config.toml").write_text(f"{setting.name.lower()} = {literal}\n")
    found = load_config(str(tmp_path), environ={}).values[setting.name]
    assert found == value
    assert type(found) is type(setting.default)


def test_the_later_place_wins(tmp_path):
    """An option wins over the environment, which wins over the file."""
    (tmp_path / "config.toml").write_text("THREADS = 2\nmax_batch = 3\nmax_future = 4\n")
    environ = {"FLUXRATE_THREADS": "5", "FLUXRATE_MAX_BATCH": "6"}
    config = load_config(str(tmp_path), {"THREADS": 7}, environ)
    assert [config.number(name) for name in ("THREADS", "MAX_BATCH", "MAX_FUTURE")] == [7, 6, 4]


def test_the_instance_is_the_option_else_the_environment_else_a_folder_here(monkeypatch, tmp_path):
    """`--instance`, else FLUXRATE_INSTANCE, else ./instance."""
    monkeypatch.chdir(tmp_path)
    assert instance_folder("a", {"FLUXRATE_INSTANCE": "/b"}) == tmp_path / "a"
    assert instance_folder(None, {"FLUXRATE_INSTANCE": "/b"}) == Path("/b")
    assert instance_folder(None, {}) == tmp_path / "instance"


def test_other_programs_variables_are_none_of_ours(tmp_path):
    """Only names that begin with FLUXRATE_ are read, and the two that are no settings are let be."""
    environ = {
        "PATH": "/bin",
        "MAX_BATCH": "1",
        "fluxrate_max_batch": "2",
        "FLUXRATE_TEST_STRICT": "1",
        "FLUXRATE": "1",
    }
    assert load_config(str(tmp_path), environ=environ).number("MAX_BATCH") == 10_000


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MAX_BATCH", "0", "at least 1"), ("MAX_BATCH", "-1", "'-1'"), ("MAX_BATCH", "1.5", "'1.5'"), ("MAX_BATCH",
        "", "''"), ("MAX_BATCH", "1e3", "'1e3'"), ("MAX_BATCH", "٣", "whole number"), ("MAX_BATCH", " 1", "' 1'"),
        ("MAX_BODY_BYTES", "1023", "at least 1024"), ("REFRESH_INTERVAL_MS", "49", "at least 50"),
        ("SECURE_COOKIES", "maybe", "true or false"), ("SECURE_COOKIES", "", "true or false"),
        ("LOG_LEVEL", "debug", "DEBUG, INFO"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named(tmp_path, name, value, said):
    """A value that the setting cannot take is refused with the setting, the place, and what was expected."""
    for given in ({"options": {name: value}, "environ": {}}, {"environ": {f"FLUXRATE_{name}": value}}):
        with pytest.raises(ConfigError, match=name) as caught:
            load_config(str(tmp_path), **given)
        assert said in caught.value.detail
        assert caught.value.field == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_batch = true", "whole number"), ("max_batch = 1.5", "whole number"), ("max_batch = [1]", "whole number"),
        ("database_url = 5", "a text"), ("secure_cookies = 2", "true or false"), ("log_level = 1", "DEBUG"),
        ("nope = 1", "NOPE"), ("[server]\nthreads = 1", "SERVER"), ("max_batch 1", "TOML"), ("a = 1\na = 2", "TOML"),
        ("\x00", "TOML"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named(tmp_path, text, said):
    """A file with an unknown name, a value of the wrong type, or no TOML stops the start with its path."""
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path / "config.toml"))) as caught:
        load_config(str(tmp_path), environ={})
    assert said in caught.value.detail


def test_an_unknown_name_is_told_with_those_there_are(tmp_path):
    """A mistyped setting is refused under the name that was typed, and the right ones are listed."""
    for given in ({"options": {"MAX_BATCHES": 1}, "environ": {}}, {"environ": {"FLUXRATE_MAX_BATCHES": "1"}}):
        with pytest.raises(ConfigError, match="MAX_BATCHES") as caught:
            load_config(str(tmp_path), **given)
        assert all(name in caught.value.detail for name in NAMES)
