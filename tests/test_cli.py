"""The command line: every command, what it prints where, and its exit status 0, 1 (it failed) or 2 (wrong usage)."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from fluxrate import __version__
from fluxrate.app import create_app
from fluxrate.cli import cli, main
from fluxrate.config import SETTINGS, load_config
from fluxrate.core import accounts
from tests.callers import Api, exact, parts_of

PASSWORD = "correct horse battery"


@dataclass
class Ran:
    status: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """No setting of the machine these tests run on gets in."""
    for name in [name for name in os.environ if name.startswith("FLUXRATE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """A function that runs the command on an instance in the test's folder, as the entry point does."""

    def run(*args: str, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        monkeypatch.setenv("FLUXRATE_INSTANCE", str(tmp_path / "instance"))
        status = 0
        try:
            main(args)
        except SystemExit as ended:
            status = ended.code or 0
        out, err = capsys.readouterr()
        return Ran(status, out, err)

    return run


@pytest.fixture
def instance(tmp_path):
    """The same instance, looked at through the API."""
    apps = []

    def opened() -> Api:
        apps.append(create_app(load_config(str(tmp_path / "instance"), environ={})))
        return Api(apps[-1])

    yield opened
    for app in apps:
        parts_of(app).close()


def refused(ran: Ran, *said: str, status: int = 1) -> None:
    """The command failed with one sentence on standard error, nothing on standard output, and no traceback."""
    assert ran.status == status, ran
    assert ran.out == ""
    assert "Traceback" not in ran.err
    if status == 1:
        assert ran.err.startswith("fluxrate: ")
        assert ran.err.count("\n") == 1
    for text in said:
        assert text in ran.err


def test_every_command_explains_itself(run):
    """`--help` and `-h` work on the command and each of its parts, with status 0 and a sentence about it."""
    paths = [(), *((name,) for name in cli.commands)]
    paths += [(name, inner) for name, group in cli.commands.items() for inner in getattr(group, "commands", ())]
    assert len(paths) > 15
    for path in paths:
        for flag in ("--help", "-h"):
            ran = run(*path, flag)
            assert ran.status == 0
            assert ran.out.startswith(f"Usage: {' '.join(('fluxrate', *path))} ")
            assert re.search(r"\n\n  [A-Z][^\n]+\.", ran.out), path


def test_wrong_usage_is_status_2(run):
    """An unknown command or option, a missing argument or a value of the wrong kind is wrong usage."""
    for args in (
        ["nope"], ["--nope"], ["keys"], ["keys", "create"], ["keys", "create", "--name", "n"],
        ["keys", "create", "--name", "n", "--scope", "root"], ["keys", "revoke"], ["users", "create"],
        ["meters", "create", "m"], ["meters", "create", "m", "--aggregation", "SUM", "--decimals", "19"],
        ["serve", "--port", "99999"], ["serve", "--port", "http"], ["config", "--nope", "1"],
        ["import", "--meter", "m"], ["verify", "--questions", "0"], ["verify", "--seed", "-1"], ["verify", "m"],
        ["import", "x.csv"], ["import", "x.csv", "--meter", "m", "--format", "xml"], ["version", "now"],
    ):  # fmt: skip
        refused(run(*args), status=2)


def test_a_new_key_stands_alone_on_standard_output(run, instance):
    """`keys create` prints the key and nothing else, and it works."""
    ran = run("keys", "create", "--name", "billing", "--scope", "usage.write", "--scope", "usage.read")
    assert (ran.status, ran.err) == (0, "")
    assert re.fullmatch(r"sk_live_\w{12}_[\w-]{43}\n", ran.out)
    api = instance()
    assert Api(api.app, ran.out.strip()).get("/metrics").status_code == 200
    listed = run("keys", "list")
    assert f"{ran.out[:20]}  billing  usage.read, usage.write\n" in listed.out
    assert ran.out.strip() not in listed.out


def test_a_key_is_revoked_by_prefix_id_or_unique_name(run, instance):
    """`keys revoke` ends a key's validity at once, also in a serving process; a name of two keys is refused."""
    secrets = [
        run("keys", "create", "--name", name, "--scope", "admin").out.strip() for name in ("a", "b", "twin", "twin")
    ]
    api = instance()
    for reference, secret in (("a", secrets[0]), (secrets[1][:20], secrets[1])):
        assert Api(api.app, secret).get("/metrics").status_code == 200
        ran = run("keys", "revoke", reference)
        assert (ran.status, ran.out, ran.err) == (0, "", f"{secret[:20]} is revoked.\n")
        assert Api(api.app, secret).get("/metrics").status_code == 401
        assert re.search(rf"{secret[:20]}  \w  revoked \d{{4}}-", run("keys", "list").out)
    refused(run("keys", "revoke", "twin"), "2 keys are named 'twin'")
    refused(run("keys", "revoke", secrets[0][:20]), "already revoked")
    refused(run("keys", "revoke", "nope"), "'nope'")


def test_an_account_signs_in_with_the_password_from_standard_input(run, instance):
    """`users create --password-stdin` makes an account that can sign in; the password is nowhere printed."""
    ran = run("users", "create", "Ada@Example.com", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert (ran.status, ran.out, ran.err) == (0, "", "ada@example.com can sign in.\n")
    store = parts_of(instance().app).store
    assert accounts.sign_in(store, "ada@example.com", PASSWORD)
    assert run("users", "list").out.startswith("ada@example.com  since 2")
    refused(run("users", "create", "ada@example.com", "--password-stdin", stdin=PASSWORD), "already")
    refused(run("users", "create", "b@example.com", "--password-stdin", stdin="short\n"), "10 to 256")
    refused(run("users", "create", "nobody", "--password-stdin", stdin=PASSWORD), "'nobody'")
    assert "b@example.com" not in run("users", "list").out


def test_passwd_replaces_the_password(run, instance):
    """After `users passwd` only the new password signs in."""
    run("users", "create", "ada@example.com", "--password-stdin", stdin=PASSWORD)
    ran = run("users", "passwd", "ADA@example.com", "--password-stdin", stdin="another long password\n")
    assert (ran.status, ran.out) == (0, "")
    store = parts_of(instance().app).store
    assert accounts.sign_in(store, "ada@example.com", "another long password")
    assert accounts.sign_in(store, "ada@example.com", PASSWORD) is None
    refused(run("users", "passwd", "nobody@example.com", "--password-stdin", stdin=PASSWORD), "nobody@example.com")


def test_an_account_is_removed_but_not_the_last(run):
    """`users remove` says whose it was; without an account nobody could sign in, so one stays."""
    for email in ("ada@example.com", "bob@example.com"):
        run("users", "create", email, "--password-stdin", stdin=PASSWORD)
    ran = run("users", "remove", "ADA@example.com")
    assert (ran.status, ran.out, ran.err) == (0, "", "ada@example.com can no longer sign in.\n")
    refused(run("users", "remove", "ada@example.com"), "'ada@example.com'")
    refused(run("users", "remove", "bob@example.com"), "last account")
    assert run("users", "list").out.startswith("bob@example.com")


def test_meters_are_made_and_listed(run, instance):
    """`meters create` prints the meter's token alone; `meters list` shows every meter."""
    ran = run(
        "meters", "create", "egress", "--aggregation", "SUM", "--unit", "GiB", "--decimals", "3", "--name", "Egress"
    )
    assert (ran.status, ran.err) == (0, "")
    meter = instance().get("/meters/egress").json
    assert ran.out == meter["meter_token"] + "\n"
    assert (meter["name"], meter["unit"], meter["decimals"]) == ("Egress", "GiB", 3)
    run("meters", "create", "users", "--aggregation", "UNIQUE_COUNT", "--property", "account")
    assert instance().get("/meters/users").json["property_name"] == "account"
    listed = run("meters", "list").out.splitlines()
    assert [line.split()[:4] for line in listed] == [
        ["egress", "SUM", "GiB", "ACTIVE"],
        ["users", "UNIQUE_COUNT", "-", "ACTIVE"],
    ]
    refused(run("meters", "create", "egress", "--aggregation", "SUM"), "'egress'")
    refused(run("meters", "create", "Egress", "--aggregation", "SUM"), "'Egress'")
    refused(run("meters", "create", "m", "--aggregation", "MEDIAN"), "'MEDIAN'")


CSV = """customer_external_id,quantity,timestamp,idempotency_key
acme,1.5,2025-01-01T00:00:00Z,a
globex,2,2025-01-02,b
acme,-1,2025-01-03,c
acme,1.001,2025-01-03,d
,1,2025-01-03,e
acme,1,someday,f
acme,1
acme,4.25,2025-01-04T00:00:00.123456789Z,g
"""


def test_an_import_says_what_became_of_the_rows(run, instance, tmp_path):
    """`import` puts in what is right, names file, line and reason of the rest, and counts all three outcomes."""
    run("meters", "create", "calls", "--aggregation", "SUM", "--decimals", "2")
    file = tmp_path / "rows.csv"
    file.write_text(CSV)
    ran = run("import", str(file), "--meter", "calls")
    assert ran.status == 0
    assert ran.out == f"{file}: 3 accepted, 0 duplicate, 5 rejected\n"
    lines = ran.err.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{file}:{number}" for number in (4, 5, 6, 7, 8)]
    for line, said in zip(
        lines, ("negative", "decimal places", "customer_external_id", "'someday'", "cells"), strict=True
    ):
        assert said in line
    body = exact(instance().get("/meters/calls/usage", start_date="2025-01-01", end_date="2025-01-31"))
    assert (str(body["total_usage"]), body["event_count"]) == ("7.75", 3)


def test_an_import_run_again_adds_nothing(run, instance, tmp_path):
    """The same rows again, as CSV, gzip or NDJSON with the same keys, are duplicates."""
    run("meters", "create", "calls", "--aggregation", "SUM", "--decimals", "2")
    rows = [line.split(",") for line in CSV.splitlines()]
    plain, packed, ndjson = tmp_path / "a.csv", tmp_path / "b.csv.gz", tmp_path / "c.jsonl"
    good = [rows[0], rows[1], rows[2], rows[8]]
    plain.write_text("\n".join(",".join(row) for row in good))
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    ndjson.write_text("\n".join(str(dict(zip(rows[0], row, strict=True))).replace("'", '"') for row in good[1:]))
    ran = run("import", str(plain), str(packed), str(ndjson), "--meter", "calls", "--strict")
    assert ran.status == 0
    assert ran.out.splitlines() == [
        f"{plain}: 3 accepted, 0 duplicate, 0 rejected",
        f"{packed}: 0 accepted, 3 duplicate, 0 rejected",
        f"{ndjson}: 0 accepted, 3 duplicate, 0 rejected",
    ]
    assert instance().get("/usage", start_date="2025-01-01").json["meta"]["total"] == 3


def test_columns_can_have_names_of_their_own(run, instance, tmp_path):
    """Customer, time, quantity, key and metadata come from the columns that are named."""
    run("meters", "create", "miles", "--aggregation", "SUM", "--decimals", "0")
    file = tmp_path / "flights.csv"
    file.write_text("carrier,at,distance,flight,day,origin\nUA,2025-01-01,100,7,1,JFK\nUA,2025-01-01,50,7,1,JFK\n")
    options = [
        "--customer",
        "carrier",
        "--timestamp",
        "at",
        "--quantity",
        "distance",
        "--key",
        "flight",
        "--key",
        "day",
    ]
    ran = run("import", str(file), "--meter", "miles", *options, "--meta", "origin")
    assert ran.out.endswith("1 accepted, 1 duplicate, 0 rejected\n")
    (event,) = instance().get("/usage", start_date="2025-01-01").json["data"]
    assert (event["customer_external_id"], event["quantity"], event["meta_data"]) == ("UA", "100", {"origin": "JFK"})


def test_an_import_that_cannot_begin_says_why(run, tmp_path):
    """An unknown meter or column or a file of something else is a failure; one that is not there is wrong usage."""
    run("meters", "create", "calls", "--aggregation", "SUM")
    file = tmp_path / "rows.csv"
    file.write_text(CSV)
    refused(run("import", str(file), "--meter", "nope"), "'nope'")
    refused(run("import", str(file), "--meter", "calls", "--customer", "account"), "'account'")
    refused(run("import", str(tmp_path / "none.csv"), "--meter", "calls"), "No such file", status=2)
    refused(run("import", str(tmp_path), "--meter", "calls", "--format", "csv"), "cannot be read", status=2)
    (tmp_path / "rows.zip").write_bytes(b"PK\x03\x04 nothing of ours\n")
    refused(run("import", str(tmp_path / "rows.zip"), "--meter", "calls"), "'customer_external_id'")
    (tmp_path / "empty.csv").write_text("")
    refused(run("import", str(tmp_path / "empty.csv"), "--meter", "calls"), "header")


def test_strict_fails_when_a_row_was_rejected(run, tmp_path):
    """With `--strict` a rejected row makes the status 1; the right rows are in all the same."""
    run("meters", "create", "calls", "--aggregation", "SUM", "--decimals", "2")
    file = tmp_path / "rows.csv"
    file.write_text(CSV)
    assert run("import", str(file), "--meter", "calls", "--strict").status == 1
    assert run("import", str(file), "--meter", "calls").out.endswith("0 accepted, 3 duplicate, 5 rejected\n")


def test_an_import_reads_standard_input(tmp_path):
    """`-` is standard input, for a real process behind a pipe."""
    environment = {"PATH": os.environ["PATH"], "FLUXRATE_INSTANCE": str(tmp_path / "instance")}

    def real(*args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "fluxrate", *args]
        return subprocess.run(command, input=stdin, capture_output=True, env=environment, timeout=60, check=False)

    assert real("meters", "create", "calls", "--aggregation", "SUM", "--decimals", "2").returncode == 0
    for body in (CSV.encode(), gzip.compress(CSV.encode())):
        ran = real("import", "-", "--meter", "calls", "--format", "csv", stdin=body)
        assert ran.returncode == 0
        assert ran.stdout.endswith(b"5 rejected\n")
    assert ran.stdout == b"-: 0 accepted, 3 duplicate, 5 rejected\n"
    ran = real("import", "-", "--meter", "calls", stdin=CSV.encode())
    assert ran.stdout == b"-: 0 accepted, 3 duplicate, 5 rejected\n"
    both = ("--quantity", "n", "--quantity-value", "1")
    assert real("import", "-", "--meter", "calls", *both, stdin=CSV.encode()).returncode == 2
    assert real("keys", "revoke", "nope").returncode == 1
    assert real("nope").returncode == 2


def test_verify_finds_nothing_on_an_instance_in_order_and_changes_nothing(run, tmp_path):
    """`verify` says its seed, asks so many questions, and ends with a summary; it writes neither events nor columns."""
    run("meters", "create", "calls", "--aggregation", "SUM", "--decimals", "2")
    run("meters", "create", "idle", "--aggregation", "UNIQUE_COUNT")
    (tmp_path / "rows.csv").write_text(CSV)
    run("import", str(tmp_path / "rows.csv"), "--meter", "calls")
    folder = tmp_path / "instance"
    before = sorted(path for path in folder.rglob("*") if not path.name.startswith("fluxrate.db-"))
    for args, questions in ((), 200), (("--questions", "30", "--seed", "12", "--meter", "calls"), 30):
        ran = run("verify", *args)
        assert ran.status == 0
        # A slow machine is told how far it is.
        assert all(line.endswith("so far") for line in ran.err.splitlines())
        first, last = ran.out.splitlines()
        assert re.fullmatch(r"Seed \d+, [12] meters?, as of sequence \d+\.", first)
        assert re.fullmatch(rf"{questions} questions, 0 differences, \d+\.\d seconds\.", last)
    assert first.startswith("Seed 12, 1 meter, ")
    assert sorted(path for path in folder.rglob("*") if not path.name.startswith("fluxrate.db-")) == before
    refused(run("verify", "--meter", "nope"), "'nope'")


def test_verify_prints_every_difference_and_fails(run, instance, tmp_path):
    """Where the saved columns and the store disagree is printed question by question, alike for the same seed."""
    run("meters", "create", "calls", "--aggregation", "SUM", "--decimals", "2")
    (tmp_path / "rows.csv").write_text(CSV)
    run("import", str(tmp_path / "rows.csv"), "--meter", "calls")
    parts = parts_of(instance().app)
    parts.live.save(force=True)
    with parts.store.write() as connection:
        assert connection.exec_driver_sql("UPDATE events SET quantity = 151 WHERE quantity = 150").rowcount == 1
    ran, again = (run("verify", "--questions", "20", "--seed", "3") for _ in range(2))
    assert (ran.status, again.status) == (1, 1)
    _, *lines, last = ran.out.splitlines()
    assert lines == again.out.splitlines()[1:-1]
    assert lines[0].startswith("Question 1, 2 differences: GET /api/v1/meters/calls/usage?group_by=year&")
    assert lines[1:3] == [
        "  total_usage: columns 7.75, SQL 7.76",
        "  grouped_data[2025-01-01].usage: columns 7.75, SQL 7.76",
    ]
    count = sum(line.startswith("  ") for line in lines)
    assert last.startswith(f"20 questions, {count} differences, ")


def test_verify_on_an_instance_without_meters_has_nothing_to_ask(run):
    """Nothing was compared, and that is what it says."""
    ran = run("verify")
    assert ran.status == 0
    assert ran.out.splitlines()[1].startswith("0 questions, 0 differences, ")


def test_version_names_what_figures_depend_on(run):
    """`version` tells the versions of the program, of Python and of the time zones."""
    ran = run("version")
    assert ran.out.startswith(f"fluxrate {__version__}\npython 3.")
    assert re.search(r"tzdata \d{4}[a-z]", ran.out)


def test_plugins_lists_what_each_brings(run):
    """`plugins` names every plugin in force with its metrics, panels, jobs and blueprints."""
    lines = dict(line.split(": ", 1) for line in run("plugins").out.splitlines())
    assert lines["metrics"] == "metrics SUM, COUNT, MAX, MIN, AVG, LAST, UNIQUE_COUNT"
    assert "columns.refresh" in lines["columns"]
    assert lines["usage"] == "blueprints usage"


def test_migrate_says_what_it_applied(run):
    """`migrate` brings a new instance up to date, and the second time has nothing to do."""
    assert re.fullmatch(r"Applied \w+(, \w+)*\.\n", run("migrate").out)
    assert run("migrate").out == "Nothing to migrate.\n"


def test_config_prints_every_setting_in_force(run, tmp_path):
    """`config` prints the instance and each setting with its value, and no password."""
    ran = run("config", "--max-future", "7", "--database-url", "postgresql://flux:s3cret@db.example/fluxrate")
    assert ran.status == 0
    assert f"instance = {tmp_path / 'instance'}\n" in ran.out
    assert [line.split(" = ")[0] for line in ran.out.splitlines()[1:]] == [setting.name for setting in SETTINGS]
    assert "MAX_FUTURE = 7 " in ran.out
    assert "s3cret" not in ran.out
    assert "postgresql://flux:***@db.example/fluxrate" in ran.out


def test_the_instance_is_named_before_or_after_the_command(run, tmp_path):
    """`--instance` stands before or after the command, and wins over FLUXRATE_INSTANCE."""
    for number, args in enumerate((["--instance", "{}", "meters", "list"], ["meters", "list", "--instance", "{}"])):
        folder = tmp_path / f"other-{number}"
        assert run(*[arg.format(folder) for arg in args]).status == 0
        assert (folder / "fluxrate.db").is_file()
    assert not (tmp_path / "instance").exists()


def test_a_wrong_setting_stops_the_command_and_is_named(run, tmp_path, monkeypatch):
    """An unknown name or bad value in environment, file or option is status 1 with a sentence that names it."""
    refused(run("config", "--max-future", "-5"), "MAX_FUTURE", "'-5'")
    refused(run("config", "--log-level", "loud"), "LOG_LEVEL", "'loud'")
    refused(run("meters", "list", "--database-url", "mysql://x/y"), "'mysql'")
    refused(run("meters", "list", "--plugin-dir", "/nope"), "PLUGIN_DIR", "/nope")
    monkeypatch.setenv("FLUXRATE_MAX_FUTUR", "5")
    refused(run("config"), "FLUXRATE_MAX_FUTUR in the environment", "MAX_FUTURE")
    monkeypatch.delenv("FLUXRATE_MAX_FUTUR")
    (tmp_path / "instance").mkdir(exist_ok=True)
    for text, said in (
        ("treads = 4", "TREADS"),
        ("threads = 'four'", "'four'"),
        ("threads = ", "TOML"),
        ("[x]\na = 1", "X"),
    ):
        (tmp_path / "instance" / "config.toml").write_text(text)
        refused(run("meters", "list"), said, "config.toml")


def test_an_instance_that_cannot_be_made_is_one_sentence(run, tmp_path):
    """A file where the folder should be is a failure in words, not a traceback."""
    (tmp_path / "file").write_text("")
    refused(run("--instance", str(tmp_path / "file" / "x"), "keys", "list"), str(tmp_path / "file"))
    refused(run("--instance", str(tmp_path / "file"), "keys", "list"), str(tmp_path / "file"))


def test_a_damaged_database_is_one_sentence(run, tmp_path):
    """A file that is no database stops the command in words and is left as it is."""
    folder = Path(tmp_path / "instance")
    folder.mkdir()
    (folder / "fluxrate.db").write_bytes(b"this is not a database, but somebody's notes\n" * 100)
    refused(run("keys", "list"))
    assert (folder / "fluxrate.db").read_bytes().startswith(b"this is not a database")


def test_parquet_goes_in_and_out(tmp_path):
    """`import` reads a Parquet file by its name, and from a pipe; `export` writes one that has every event."""
    environment = {"PATH": os.environ["PATH"], "FLUXRATE_INSTANCE": str(tmp_path / "instance")}

    def real(*args: str, stdin: bytes = b"") -> bytes:
        command = [sys.executable, "-m", "fluxrate", *args]
        return subprocess.run(command, input=stdin, stdout=-1, env=environment, timeout=60, check=True).stdout

    file, when = tmp_path / "rows.parquet", datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
    amounts = [Decimal("1.25"), Decimal("0.000001"), Decimal("12345678.654321")]
    columns = {"customer_external_id": ["a", "b", "a"], "timestamp": [when] * 3, "quantity": amounts, "key": [1, 2, 3]}
    parquet.write_table(pyarrow.table(columns), file)
    real("meters", "create", "calls", "--aggregation", "SUM")
    options = ("--meter", "calls", "--key", "key")
    assert real("import", str(file), *options).endswith(b"3 accepted, 0 duplicate, 0 rejected\n")
    again = real("import", "-", "--format", "parquet", *options, stdin=file.read_bytes())
    assert again == b"-: 0 accepted, 3 duplicate, 0 rejected\n"
    whole = real("export", "--meter", "calls", "--format", "parquet", "--start-date", "2025-01-02", "--order", "asc")
    found = parquet.read_table(io.BytesIO(whole)).to_pylist()
    assert [(row["customer_external_id"], row["timestamp"], row["quantity"]) for row in found] == [
        ("a", when, amounts[0]),
        ("b", when, amounts[1]),
        ("a", when, amounts[2]),
    ]


def test_an_export_writes_the_events_that_match(run, instance, tmp_path):
    """`export` writes CSV or NDJSON to standard output alone, filtered and ordered as the API does."""
    run("meters", "create", "calls", "--aggregation", "SUM", "--decimals", "2")
    file = tmp_path / "rows.csv"
    file.write_text(CSV)
    run("import", str(file), "--meter", "calls")
    window = ("--start-date", "2025-01-01", "--end-date", "2025-01-31")
    api = instance()
    listed = api.get("/usage", start_date="2025-01-01", end_date="2025-01-31", order="asc").json["data"]
    ran = run("export", "--meter", "calls", "--format", "ndjson", "--order", "asc", *window)
    assert (ran.status, ran.err) == (0, "")
    assert [json.loads(line) for line in ran.out.splitlines()] == listed
    assert len(listed) == 3
    customer = listed[0]["customer_external_id"]
    only = [row["id"] for row in listed[::-1] if row["customer_external_id"] == customer]
    ran = run("export", "--meter", "calls", "--format", "csv", "--customer-id", customer, *window)
    assert [line.split(",")[0] for line in ran.out.splitlines()] == ["id", *only]
    assert run("export", "--meter", "calls", "--format", "csv", "--voided", "true", *window).out.count("\n") == 1
    refused(run("export", "--meter", "calls", "--format", "csv", "--meta", "region"), "KEY=VALUE", status=2)
    refused(run("export", "--meter", "calls", "--format", "csv", "--min-quantity", "x"), "min_quantity")
    refused(run("export", "--meter", "nope", "--format", "csv"), "'nope'")
