"""A warning that comes too often is said once a second, with a count of the others."""

from __future__ import annotations

import logging
import threading

from fluxrate.core import seldom
from fluxrate.core.seldom import Seldom


def test_once_a_second_with_a_count(caplog, monkeypatch):
    """The first at once; the next after the second tells of those between."""
    now = [100.0]
    monkeypatch.setattr(seldom.time, "monotonic", lambda: now[0])
    log = Seldom(logging.getLogger("test"))
    for number in range(5):
        log.warning("%d went wrong", number)
    now[0] += seldom.SECONDS
    log.warning("%d went wrong", 5)
    log.warning("%d went wrong", 6)
    now[0] += seldom.SECONDS
    log.warning("all wrong")
    now[0] += seldom.SECONDS
    log.warning("again")
    more = " (and %d more such lines since the last)"
    said = ["0 went wrong", "5 went wrong" + more % 4, "all wrong" + more % 1, "again"]
    assert [record.getMessage() for record in caplog.records] == said


def test_no_line_is_lost_between_threads(caplog):
    """Said or counted, each of them once."""
    log = Seldom(logging.getLogger("test"))
    threads = [threading.Thread(target=lambda: [log.warning("away") for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(caplog.records) + log._unsaid + sum(record.args[-1] for record in caplog.records if record.args) == 2000
