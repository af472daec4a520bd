"""`fluxrate copy` as a command: an instance moved to PostgreSQL and back answers every question as before."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from fluxrate.app import create_app
from fluxrate.cli import main
from fluxrate.config import load_config
from fluxrate.core.errors import ConfigError
from fluxrate.core.store import Store
from fluxrate.core.verify import verify
from tests.callers import Api, exact, parts_of
from tests.postgresql import Server

METERS = {"calls": "SUM", "peak": "MAX", "people": "UNIQUE_COUNT"}
EVENTS = 1_500


@pytest.fixture(scope="module")
def postgresql():
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def run(capsys):
    """A function that runs the command and gives its status and what it said."""

    def run(*args: str) -> tuple[int, str, str]:
        status: object = 0
        try:
            main(args)
        except SystemExit as ended:
            status = ended.code or 0
        return (status, *capsys.readouterr())

    return run


def fill(api: Api, rng: random.Random) -> None:
    """Some days of events on three meters, some of them voided."""
    for name, aggregation in METERS.items():
        api.meter(meter_name=name, aggregation_type=aggregation, decimals=3)
    sent = [
        {
            "meter_name": rng.choice(list(METERS)),
            "customer_external_id": f"c{rng.randrange(9)}",
            "quantity": f"{rng.randrange(1 << 40)}.{rng.randrange(1000):03}",
            "timestamp": f"2025-01-{rng.randrange(1, 28):02}T{rng.randrange(24):02}:00:00Z",
            "idempotency_key": f"k{number}",
            "metadata": {"user_id": f"u{rng.randrange(50)}", "region": rng.choice(["eu", "us"])},
        }
        for number in range(EVENTS)
    ]
    answer = api.post("/events", sent)
    assert answer.status_code == 200, answer.text
    for item in rng.sample(answer.json["results"], 20):
        assert api.post(f"/events/{item['id']}/void", {"reason": "a test"}).status_code in (200, 201)


def answers(api: Api) -> list[object]:
    """What is asked of an instance: figures by day and customer, rankings, and the log."""
    asked = [
        f"/meters/{name}/usage?start_date=2025-01-01&end_date=2025-01-31&group_by={by}"
        for name in METERS
        for by in ("day", "hour")
    ]
    asked += ["/usage?start_date=2025-01-01&end_date=2025-01-31&page_size=100", "/customers", "/meters"]
    return [exact(api.call("GET", path)) for path in asked]


def test_an_instance_moves_to_postgresql_and_back(run, tmp_path: Path, postgresql: Server):
    """Figures, log, customers and meters are the same in each database, and `verify` finds nothing in the last."""
    first, url, back = tmp_path / "first", postgresql.emptied(), f"sqlite:///{tmp_path}/back.db"
    app = create_app(load_config(str(first), environ={}))
    fill(Api(app), random.Random(5))
    before = answers(Api(app))
    # A server that runs is no hindrance.
    status, out, err = run("copy", "--instance", str(first), "--to", url)
    assert (status, err) == (0, "")
    copied, compared = out.splitlines()
    assert copied.startswith(f"{EVENTS} events copied in ")
    assert compared == "The events of 3 meters were compared by counts and sums: no difference."
    parts_of(app).close()
    moved = create_app(load_config(str(first), {"DATABASE_URL": url}, environ={}))
    assert answers(Api(moved)) == before
    parts_of(moved).close()
    status, out, err = run("copy", "--instance", str(first), "--to", url)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "served from" in err
    assert run("copy", "--instance", str(first), "--database-url", url, "--to", back)[0] == 0
    last = create_app(load_config(str(tmp_path / "last"), {"DATABASE_URL": back}, environ={}))
    parts = parts_of(last)
    assert answers(Api(last)) == before
    assert [one for one in verify(parts, parts.store.meters.all(), 15, 1) if one.differences] == []
    parts.close()


def test_an_unfinished_copy_is_not_served(run, tmp_path: Path):
    """A store that a copy has begun to fill cannot be served or copied from, and says what to do."""
    url = f"sqlite:///{tmp_path}/store.db"
    store = Store(url)
    store.migrate()
    store.instance.set("copy", "unfinished 7")
    config = load_config(str(tmp_path / "instance"), {"DATABASE_URL": url}, environ={})
    with pytest.raises(ConfigError, match="unfinished copy"):
        create_app(config)
    other = f"sqlite:///{tmp_path}/other.db"
    status, out, err = run("copy", "--instance", str(tmp_path), "--database-url", url, "--to", other)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "run `fluxrate copy` again" in err
    assert run("copy", "--instance", str(tmp_path / "other"), "--to", "mysql://x/y")[:2] == (1, "")
    store.instance.set("copy", "finished 7")
    parts_of(create_app(config)).close()
    assert store.instance.get("copy") is None
    store.close()
