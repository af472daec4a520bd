"""The health page: what is wrong comes first, and its figures are those of the process."""

from __future__ import annotations

import re

import pytest
import time_machine

from fluxrate.core.drafts import decode_many
from fluxrate.core.errors import Unavailable
from fluxrate.web.health import LATE_RUNS
from tests.web.conftest import visible

PAGE = "/settings/health"


def page(instance) -> str:
    answer = instance.client.get(PAGE)
    assert answer.status_code == 200
    return visible(answer.text)


def ran(instance, name: str, error: Exception | None = None) -> None:
    jobs = instance.services.vitals.jobs
    jobs.begin(name, instance.services.clock())
    jobs.end(name, instance.services.clock(), 0.25, error)


def test_it_is_for_signed_in_people(empty):
    answer = empty.app.test_client().get(PAGE)
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/sign-in?next=/settings/health"


def test_every_page_leads_to_it_and_it_is_marked_there(filled):
    assert 'href="/settings/health"' in filled.client.get("/").text
    assert re.search(r'href="/settings/health" aria-current="page"', filled.client.get(PAGE).text)


def test_a_server_that_does_well_says_so(filled):
    shown = page(filled)
    assert "Everything is in order." in shown
    assert "Store SQLite Answers, migrated" in shown
    assert "Newest sequence 130" in shown
    assert "No limit set" in shown


def test_each_meter_has_its_row_and_the_last_row_adds_up(filled):
    table = filled.client.get(PAGE).text.split("<tbody>")[1].split("</table>")[0]
    rows = [visible(row) for row in table.split("<tr>")[1:]]
    assert [row.split(" ")[0] for row in rows] == ["API", "Bytes", "All"]
    assert [re.search(r"[\d,]+", row)[0] for row in rows] == ["120", "10", "130"]


def test_a_meter_without_events_has_a_row_and_an_instance_without_meters_a_hint(empty):
    assert "There are no meters yet." in page(empty)
    empty.meter("fresh", "Fresh meter")
    assert re.search(r"Fresh meter 0 0 0 B 0 B", page(empty))


def test_a_failed_job_is_the_first_thing_to_read(empty):
    ran(empty, "columns.save", Unavailable("The disk is full."))
    html = empty.client.get(PAGE).text
    assert "The job columns.save failed at its last run: The disk is full." in visible(html)
    assert html.index("The disk is full.") < html.index("Newest sequence")
    assert "Everything is in order" not in html
    ran(empty, "columns.save")
    assert "Everything is in order." in page(empty)
    assert re.search(r"columns.save Every 1 min now 250 ms 2 1", page(empty))


@pytest.mark.parametrize(("runs", "late"), [(LATE_RUNS - 1, False), (LATE_RUNS + 1, True)])
def test_a_job_that_has_stopped_running_is_told(empty, monkeypatch, runs, late):
    """A run that hangs, or a scheduler that is gone, fails nothing: only the time since the last run tells."""
    parts = empty.services
    for name in parts.registry.jobs.all:
        ran(empty, name)
    later = parts.clock() + (runs * 3_600 + 60) * 1_000_000
    for name in set(parts.registry.jobs.all) - {"sessions.purge"}:
        parts.vitals.jobs.end(name, later, 0.1)

    with time_machine.travel(later / 1e6, tick=False):
        shown = page(empty)
    assert ("The job sessions.purge has ended no run" in shown) == late
    assert ("Everything is in order." in shown) != late


def test_a_run_that_goes_on_is_told(empty):
    parts = empty.services
    parts.vitals.jobs.begin("columns.fold", parts.clock() - 90_000_000)
    assert "running for 1 min" in page(empty)


def test_a_store_that_is_away_or_not_migrated_is_told(empty, monkeypatch):
    monkeypatch.setattr(empty.services.store, "pending", lambda: True)
    assert "The store waits for its migrations; run: fluxrate migrate." in page(empty)

    def away() -> None:
        raise Unavailable("The database is away.")

    monkeypatch.setattr(empty.services.store, "ping", away)
    assert "SQLite does not answer" in page(empty)


def test_what_became_of_the_events_is_counted(empty):
    empty.meter("calls", "Calls")
    one = (
        '{"meter_name":"calls","customer_external_id":"a","quantity":1,"idempotency_key":"k","timestamp":"2025-01-01"}'
    )
    other = one.replace('"quantity":1', '"quantity":2')
    wrong = one.replace("calls", "nope")
    empty.services.ingest.accept(decode_many(f"[{one},{one},{other},{wrong},7]".encode(), 10))
    shown = page(empty)
    assert "Accepted 1 Duplicates A repeat, answered with the first event 2" in shown
    assert "Conflicts Duplicates that said something else than the first 1" in shown
    assert "Rejected malformed 1 · not found 1 2" in shown


def test_hostile_names_are_text(empty):
    empty.meter("evil", "<script>alert(1)</script>" + "x" * 200)
    html = empty.client.get(PAGE).text
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_times_are_in_the_zone_of_the_address(empty):
    ran(empty, "columns.fold")
    assert "+05:45 Asia/Kathmandu" in empty.client.get(f"{PAGE}?timezone=Asia/Kathmandu").text
    assert empty.client.get(f"{PAGE}?timezone=Nowhere").status_code == 200
