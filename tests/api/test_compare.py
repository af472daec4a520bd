"""`compare=` over the API: the earlier window's figures are those it has when it is asked about itself."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from fluxrate.core.comparison import change
from tests import reference
from tests.callers import Api, exact, parts_of

KINDS = ("SUM", "COUNT", "MAX", "MIN", "AVG", "LAST", "UNIQUE_COUNT")
NEW_YORK = "America/New_York"


@pytest.fixture(scope="module")
def api(module_app):
    """A meter of each kind with the same 400 events of two years, the busiest part of them around a change of clock."""
    api = Api(module_app)
    rng = random.Random(11)
    for kind in KINDS:
        api.meter(kind.lower(), kind)
    events = []
    for number in range(400):
        spread = 3 * 1440 if number % 2 else 700 * 1440
        moment = datetime(2024, 11, 3, 6, tzinfo=UTC) + timedelta(minutes=rng.randint(-spread, spread))
        events.append(
            {
                "customer_external_id": rng.choice(("acme", "bolt", "cove")),
                "quantity": rng.choice(("1", "2.5", "0.03", "7")),
                "timestamp": moment.isoformat(),
                "metadata": {"user_id": rng.choice("abcdef"), "region": rng.choice(("eu", "us"))},
            }
        )
    for kind in KINDS:
        mine = [event | {"meter_name": kind.lower()} for event in events]
        assert api.post("/events", mine).json["accepted"] == 400
    return api


def usage(api: Api, meter: str = "sum", **query: Any) -> dict[str, Any]:
    response = api.get(f"/meters/{meter}/usage", **query)
    assert response.status_code == 200, response.text
    return exact(response)


MONTHS, QUARTERS, WEEKS, HOURS = ({"group_by": group} for group in ("month", "quarter", "week", "hour"))
CASES = [
    ({"start_date": "2024-11-01", "end_date": "2024-11-03"}, "previous", ("2024-10-29", "2024-10-31")),
    ({"start_date": "2024-11-03", "end_date": "2024-11-03", **HOURS}, "previous", ("2024-11-02",) * 2),
    ({"start_date": "2024-11-04", "end_date": "2024-11-04", **HOURS}, "previous", ("2024-11-03",) * 2),
    ({"start_date": "2025-03-01", "end_date": "2025-04-30", **MONTHS}, "previous", ("2025-01-01", "2025-02-28")),
    ({"start_date": "2025-01-01", "end_date": "2025-03-31", **WEEKS}, "year", ("2024-01-03", "2024-04-01")),
    ({"start_date": "2024-02-01", "end_date": "2024-03-31"}, "year", ("2023-02-01", "2023-03-31")),
    ({"start_date": "2025-02-01", "end_date": "2025-03-31"}, "year", ("2024-02-01", "2024-03-31")),
    ({"start_date": "2024-11-02", "end_date": "2024-11-04", **HOURS}, "year", ("2023-11-02", "2023-11-04")),
    ({"start_date": "2024-01-01", "end_date": "2025-12-31", **QUARTERS}, "year", ("2023-01-01", "2024-12-31")),
]  # fmt: skip


@pytest.mark.parametrize(("window", "compare", "before"), CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_earlier_figures_are_those_of_the_earlier_window(api, kind, window, compare, before):
    """Totals, and each bucket's partner, are what the earlier window answers when it is asked alone."""
    query = {"timezone": NEW_YORK, **window}
    now = usage(api, kind.lower(), **query)
    then = usage(api, kind.lower(), **{**query, "start_date": before[0], "end_date": before[1]})
    body = usage(api, kind.lower(), compare=compare, **query)
    found = body.pop("comparison")
    assert list(found) == [
        "period_start", "period_end", "total_usage", "event_count", "unique_customers", "change",
    ]  # fmt: skip
    same = ("period_start", "period_end", "total_usage", "event_count", "unique_customers")
    assert {name: found[name] for name in same} == {name: then[name] for name in same}
    assert found["change"] == expected_change(now["total_usage"], then["total_usage"])
    partners = [bucket.pop("comparison") for bucket in body["grouped_data"]]
    assert body == now
    told = [bucket for bucket in partners if bucket is not None]
    assert told == [bucket for bucket in then["grouped_data"] if bucket in told]
    assert len(told) == len({bucket["period"] for bucket in told})
    assert len(partners) - len(told) <= 1


def expected_change(now: Any, before: Any) -> Any:
    if now is None or not before:
        return None
    return reference.rounded((Fraction(now) - Fraction(before)) / Fraction(before), 6)


def test_most_of_these_windows_have_something_in_them(api):
    """Comparing nothing with nothing would show nothing."""
    filled = [usage(api, timezone=NEW_YORK, compare=compare, **window) for window, compare, _ in CASES]
    assert all(body["event_count"] and body["comparison"]["event_count"] for body in filled)
    assert {body["comparison"]["change"] is not None and body["comparison"]["change"] < 0 for body in filled} == {
        True,
        False,
    }


def test_partners_are_in_the_answer_as_documented(make_app):
    """The very text of a leap day's neighbours: the earlier period, its figures, and null where it is lacking."""
    api = Api(make_app("leap"))
    api.meter()
    for day, quantity in (("2023-02-28", "2"), ("2023-03-01", "3"), ("2024-02-29", "1.5")):
        api.track(quantity=quantity, timestamp=f"{day}T12:00:00Z")
    text = api.get("/meters/calls/usage", start_date="2024-02-28", end_date="2024-03-01", compare="year").text
    assert text.partition('"comparison":')[2] == (
        '{"period_start":"2023-02-28T00:00:00Z","period_end":"2023-03-01T23:59:59Z","total_usage":5,"event_count":2,'
        '"unique_customers":1,"change":-0.7},"grouped_data":['
        '{"period":"2024-02-28","usage":0,"event_count":0,'
        '"comparison":{"period":"2023-02-28","usage":2,"event_count":1}},'
        '{"period":"2024-02-29","usage":1.5,"event_count":1,"comparison":null},'
        '{"period":"2024-03-01","usage":0,"event_count":0,'
        '"comparison":{"period":"2023-03-01","usage":3,"event_count":1}}]}'
    )


def test_filters_and_metric_hold_for_both_halves(api):
    """The earlier window is asked the same question, of the same customers, metadata and metric."""
    query = {"customer_id": ["acme", "bolt"], "meta.region": "eu", "metric": "MAX", "timezone": NEW_YORK}
    body = usage(api, start_date="2024-11-02", end_date="2024-11-03", compare="previous", **query)
    then = usage(api, start_date="2024-10-31", end_date="2024-11-01", **query)
    assert body["metric"] == "MAX"
    assert body["comparison"]["event_count"] == then["event_count"] > 0
    assert body["comparison"]["total_usage"] == then["total_usage"]


def test_both_halves_are_as_of_one_sequence(make_app):
    """What arrived after `as_of` is in neither half, and an unsaid `as_of` is the same for both."""
    api = Api(make_app("halves"))
    api.meter()
    for _ in range(3):
        api.track(timestamp="2025-01-01T00:00:00Z")
        api.track(timestamp="2025-01-02T00:00:00Z")
    day = {"start_date": "2025-01-02", "end_date": "2025-01-02", "compare": "previous"}
    for seq in range(7):
        body = usage(api, "calls", as_of=seq, **day)
        assert (body["total_usage"], body["comparison"]["total_usage"]) == (seq // 2, (seq + 1) // 2)
        assert body["as_of"] == seq
    engine = parts_of(api.app).engine
    ask = engine.usage

    def while_more_arrives(*question):
        found = ask(*question)
        api.track(timestamp="2025-01-01T00:00:00Z")
        return found

    engine.usage = while_more_arrives
    body = usage(api, "calls", **day)
    assert (body["total_usage"], body["comparison"]["total_usage"], body["as_of"]) == (3, 3, 6)


def test_empty_buckets_left_out_take_their_partners_along(api):
    """`fill=none` lists buckets with events; a partner without any is told all the same, and the totals stay."""
    query = {"start_date": "2025-01-01", "end_date": "2025-12-31", "compare": "previous", "meter": "max"}
    whole, listed = usage(api, **query), usage(api, fill="none", **query)
    assert listed["grouped_data"] == [bucket for bucket in whole["grouped_data"] if bucket["event_count"]]
    assert listed["comparison"] == whole["comparison"]
    empty = [bucket["comparison"] for bucket in listed["grouped_data"] if not bucket["comparison"]["event_count"]]
    assert empty
    assert all(bucket["usage"] is None for bucket in empty)


def test_the_aggregate_is_compared_as_its_days_are(api):
    """`GET /usage/aggregate` compares totals, of the days before or of a year earlier."""
    window = {"start_date": "2024-11-02", "end_date": "2024-11-04", "timezone": NEW_YORK}
    for compare in ("previous", "year"):
        body = exact(api.get("/usage/aggregate", meter_id="sum", compare=compare, **window))
        assert body["comparison"] == usage(api, compare=compare, **window)["comparison"]
        assert list(body)[-1] == "comparison"


def test_the_default_window_is_compared_with_the_30_days_before(api):
    """It ends and starts at this very time of day, and so does the window before, where this one starts."""
    body = usage(api, timezone="Europe/Berlin", compare="previous")
    before = body["comparison"]
    assert datetime.fromisoformat(before["period_end"]) - datetime.fromisoformat(body["period_start"]) in (
        timedelta(seconds=-1),
        timedelta(0),
    )
    times = {datetime.fromisoformat(each["period_start"]).time() for each in (body, before)}
    assert len(times) == 1
    assert len(body["grouped_data"]) == 31
    assert all(bucket["comparison"] for bucket in body["grouped_data"])


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (3, 2, "0.5"), (2, 3, "-0.333333"), (5, 3, "0.666667"), (1, 1, "0"), (0, 7, "-1"), (7, 0, "None"),
        (None, 7, "None"), (7, None, "None"), (0, 0, "None"), (Decimal("1.0000005"), 1, "0"),
        (Decimal("1.0000015"), 1, "0.000002"), (Decimal("1.000001"), 1, "0.000001"),
        (2**63, 1, "9223372036854775807"), (2**70, Decimal("0.000000000000000001"), f"{2**70 * 10**18 - 1}"),
        (10**40 + 1, 10**40, "0"), (Decimal("0.9999995"), 1, "0"), (Decimal("0.9999985"), 1, "-0.000002"),
    ],
)  # fmt: skip
def test_a_change_is_exact_to_six_places(now, before, text):
    """(now - before) / before, half to even; null where before is nothing or either is unknown."""
    found = change(now, before)
    assert (str(found) if found is None else format(found, "f" if isinstance(found, Decimal) else "d")) == text
