"""Breakdowns, distinct customers per bucket and running figures over the API, judged by the slow reference."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests import reference
from tests.callers import Api, exact, problem

ZONE = "America/New_York"
QUARTER = {"start_date": "2025-01-15", "end_date": "2025-04-10", "timezone": ZONE}
START, END = (reference.micros(text) for text in ("2025-01-15T05:00:00Z", "2025-04-11T04:00:00Z"))
KINDS = ("SUM", "COUNT", "MAX", "MIN", "AVG", "LAST", "UNIQUE_COUNT")
CUSTOMERS = ("acme", "bolt", "Zürich AG", "=danger", "echo")
REGIONS = ("eu", "us", "ap", "+1", "", None)
METADATA = ("region", "tier", "nested.zone", "shard")


def batch(rng: random.Random, meter: str, count: int) -> list[dict[str, Any]]:
    """Events around a change of the clock, some of them outside the window, with some of the metadata each."""
    events = []
    for _ in range(count):
        moment = datetime(2025, 3, 9, 6, tzinfo=UTC) + timedelta(minutes=rng.randint(-90 * 1440, 40 * 1440))
        region = rng.choice(REGIONS)
        metadata = {
            "user_id": rng.choice("abc"),
            **({} if region is None else {"region": region}),
            **rng.choice(({}, {"tier": "pro"}, {"tier": "free"}, {"tier": None})),
            **rng.choice(({}, {"nested": {"zone": rng.choice("xy")}})),
            "shard": rng.choice((1, 2, True, [1, "a"])),
        }
        events.append(
            {
                "meter_name": meter,
                "customer_external_id": rng.choice(CUSTOMERS),
                "quantity": rng.choice(("1", "2.5", "0.01", "7", "90071992547409.93")),
                "timestamp": moment.isoformat(),
                "metadata": metadata,
            }
        )
    return events


@pytest.fixture(scope="module")
def world(module_app):
    """A meter of each kind with the same 160 events, and these as the reference sees them."""
    api = Api(module_app)
    sent = batch(random.Random(7), "", 160)
    for kind in KINDS:
        api.meter(kind.lower(), kind)
        mine = [event | {"meter_name": kind.lower()} for event in sent]
        for part in (mine[:100], mine[100:101], mine[101:]):
            assert api.post("/events", part).json["rejected"] == 0
    events = [
        reference.Event(
            ts=reference.micros(event["timestamp"]),
            seq=seq,
            quantity=Decimal(event["quantity"]),
            customer=event["customer_external_id"],
            property=event["metadata"]["user_id"],
            meta=reference.texts(event["metadata"]),
        )
        for seq, event in enumerate(sent, 1)
    ]
    ids = {row["external_id"]: row["id"] for row in api.get("/customers", page_size=100).json["data"]}
    return api, events, ids


def usage(api: Api, meter: str = "sum", **query: Any) -> dict[str, Any]:
    response = api.get(f"/meters/{meter}/usage", **{**QUARTER, **query})
    assert response.status_code == 200, response.text
    return exact(response)


def row_shape(row: reference.Group, ids: dict[str, str], fill: str, extras: tuple[str, ...]) -> dict[str, Any]:
    """A row of the reference as the answer has it."""
    key = None if row.key is None else dict(row.key)
    return {
        "key": key,
        **({"customer_id": ids[str(key["customer"])]} if key and "customer" in key else {}),
        "usage": row.usage,
        "event_count": row.event_count,
        "unique_customers": row.unique_customers,
        "grouped_data": [
            {"period": name, "usage": bucket.usage, "event_count": bucket.event_count}
            | {extra: getattr(bucket, extra) for extra in extras}
            for name, bucket in row.buckets.items()
            if fill == "zero" or bucket.event_count
        ],
    }


DIMENSIONS = (
    ["customer"],
    ["meta.region"],
    ["meta.tier"],
    ["meta.nested.zone"],
    ["meta.shard"],
    ["customer", "meta.region"],
    ["meta.region", "customer"],
    ["meta.region", "meta.tier"],
    ["meta.nobody"],
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dimensions", DIMENSIONS, ids=" ".join)
def test_every_row_is_that_of_the_reference(world, kind, dimensions):
    """Key, customer, figures and buckets of every row, the largest first, and of the rest beyond the limit."""
    api, events, ids = world
    for limit, group, fill in (
        (10, "month", "zero"),
        (1, "week", "none"),
        (3, "day", "none"),
        (1000, "quarter", "zero"),
    ):
        rows = reference.breakdown(events, dimensions, limit, kind, 2, START, END, group, ZONE)
        body = usage(api, kind.lower(), breakdown=dimensions, limit=limit, group_by=group, fill=fill)
        assert body["breakdown"] == [row_shape(row, ids, fill, ()) for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_distinct_customers_and_the_running_figure_of_every_bucket(world, kind):
    """`unique=true` and `cumulative=true` add one key each to every bucket, empty ones too."""
    api, events, _ = world
    mine = [event for event in events if START <= event.ts < END]
    for group in ("day", "week", "month"):
        names = reference.labels(START, END, group, ZONE)
        buckets = reference.series(mine, kind, 2, names, group, ZONE)
        plain = usage(api, kind.lower(), group_by=group)
        for extras in (("unique_customers",), ("cumulative",), ("unique_customers", "cumulative")):
            asked = {"unique": "unique_customers" in extras, "cumulative": "cumulative" in extras}
            asked = {name: str(wanted).lower() for name, wanted in asked.items()}
            body = usage(api, kind.lower(), group_by=group, **asked)
            assert body == plain | {
                "grouped_data": [
                    {"period": name, "usage": bucket.usage, "event_count": bucket.event_count}
                    | {extra: getattr(bucket, extra) for extra in extras}
                    for name, bucket in buckets.items()
                ]
            }
        assert str(body["grouped_data"][-1]["cumulative"]) == str(body["total_usage"])


@pytest.mark.parametrize("kind", ["SUM", "LAST", "UNIQUE_COUNT"])
def test_the_buckets_of_rows_have_what_was_asked_for_too(world, kind):
    """Distinct customers and the running figure of each row of a breakdown, also where empty buckets are left out."""
    api, events, ids = world
    for fill in ("zero", "none"):
        rows = reference.breakdown(events, ["meta.region"], 2, kind, 2, START, END, "month", ZONE)
        body = usage(
            api, kind.lower(), breakdown="meta.region", limit=2, group_by="month", fill=fill,
            unique="true", cumulative="true",
        )  # fmt: skip
        extras = ("unique_customers", "cumulative")
        assert body["breakdown"] == [row_shape(row, ids, fill, extras) for row in rows]


def test_rows_count_the_events_that_pass_the_filters(world):
    """Filters, `metric` and `as_of` narrow the rows as they narrow the total."""
    api, events, ids = world
    kept = [event for event in events if event.meta.get("tier") == "pro" and event.customer in ("acme", "bolt")]
    rows = reference.breakdown(kept, ["meta.region"], 2, "MAX", 2, START, END, "month", ZONE)
    asked = {"meta.tier": "pro", "customer_id": ["acme", "bolt"], "metric": "MAX", "group_by": "month"}
    body = usage(api, breakdown="meta.region", limit=2, **asked)
    assert body["breakdown"] == [row_shape(row, ids, "zero", ()) for row in rows]
    early = [event for event in events if event.seq <= 60]
    rows = reference.breakdown(early, ["customer"], 10, "SUM", 2, START, END, "month", ZONE)
    body = usage(api, breakdown="customer", as_of=60, group_by="month")
    assert body["breakdown"] == [row_shape(row, ids, "zero", ()) for row in rows]


def test_the_rest_of_the_answer_is_the_same_with_a_breakdown(world):
    """A breakdown adds one key, before the buckets, and changes nothing else."""
    api, _, _ = world
    body = usage(api, breakdown="customer")
    assert list(body)[-2:] == ["breakdown", "grouped_data"]
    del body["breakdown"]
    assert body == usage(api)


def test_the_rows_as_they_are_written(make_app):
    """The very text: exact decimals, the key's names in the order asked, a missing value and the rest as null."""
    api = Api(make_app("written"))
    api.meter(decimals=18)
    day = "2025-01-01T00:00:00Z"
    api.track(customer="acme", quantity="9.223372036854775807", timestamp=day, metadata={"region": "us"})
    api.track(customer="acme", quantity="9.223372036854775807", timestamp=day, metadata={"region": "us"})
    api.track(customer="bolt", quantity="0.000000000000000001", timestamp=day)
    api.track(customer="cove", quantity="0.000000000000000001", timestamp=day)
    acme, bolt = (api.get(f"/customers/{name}").json["id"] for name in ("acme", "bolt"))
    window = {"start_date": "2025-01-01", "end_date": "2025-01-01"}
    text = api.get("/meters/calls/usage", **window, breakdown=["meta.region", "customer"], limit=2).text
    period = '"grouped_data":[{"period":"2025-01-01",'
    assert text.partition('"breakdown":')[2] == (
        f'[{{"key":{{"region":"us","customer":"acme"}},"customer_id":"{acme}","usage":18.446744073709551614,'
        f'"event_count":2,"unique_customers":1,{period}"usage":18.446744073709551614,"event_count":2}}]}},'
        f'{{"key":{{"region":null,"customer":"bolt"}},"customer_id":"{bolt}","usage":1E-18,'
        f'"event_count":1,"unique_customers":1,{period}"usage":1E-18,"event_count":1}}]}},'
        f'{{"key":null,"usage":1E-18,"event_count":1,"unique_customers":1,{period}"usage":1E-18,"event_count":1}}]}}],'
        f'{period}"usage":18.446744073709551616,"event_count":4}}]}}'
    )


def test_equal_rows_stand_in_the_order_they_say(make_app):
    """Customers as they were created, whatever they are called; metadata by its text, missing last."""
    api = Api(make_app("ties"))
    api.meter()
    for customer in ("zoe", "adam", "mia"):
        api.post("/customers", {"external_id": customer})
    for region in ("us", None, "ap", "eu"):
        for customer in ("mia", "adam", "zoe"):
            api.track(customer=customer, metadata={"region": region})
    rows = api.get("/meters/calls/usage", breakdown="customer").json["breakdown"]
    assert [row["key"]["customer"] for row in rows] == ["zoe", "adam", "mia"]
    rows = api.get("/meters/calls/usage", breakdown="meta.region").json["breakdown"]
    assert [row["key"]["region"] for row in rows] == ["ap", "eu", "us", None]
    rows = api.get("/meters/calls/usage", breakdown=["meta.region", "customer"], limit=5).json["breakdown"]
    assert [row["key"] and tuple(row["key"].values()) for row in rows] == [
        ("ap", "zoe"), ("ap", "adam"), ("ap", "mia"), ("eu", "zoe"), ("eu", "adam"), None,
    ]  # fmt: skip
    assert rows[-1]["event_count"] == 7


def test_the_aggregate_has_the_rows_without_buckets(world):
    """`GET /usage/aggregate` tells figures apart in the same way, and has no `grouped_data`."""
    api, events, ids = world
    rows = reference.breakdown(events, ["customer", "meta.tier"], 4, "SUM", 2, START, END, None, ZONE)
    query = {"meter_id": "sum", "breakdown": ["customer", "meta.tier"], "limit": 4, **QUARTER}
    body = exact(api.get("/usage/aggregate", **query))
    expected = [row_shape(row, ids, "zero", ()) for row in rows]
    for row in expected:
        del row["grouped_data"]
    assert body["breakdown"] == expected
    whole = usage(api)
    del whole["grouped_data"], body["breakdown"]
    assert body == whole


def test_a_window_without_events_has_no_rows(world):
    """There is nothing to tell apart, and no rest."""
    api, _, _ = world
    body = usage(api, breakdown="customer", start_date="2020-01-01", end_date="2020-01-02")
    assert (body["breakdown"], body["event_count"]) == ([], 0)


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ({"breakdown": "region"}, "breakdown", "customer or meta.KEY, but 'region' came"),
        ({"breakdown": "meta."}, "breakdown", "customer or meta.KEY, but 'meta.' came"),
        ({"breakdown": "Customer"}, "breakdown", "customer or meta.KEY"),
        ({"breakdown": "customer_id"}, "breakdown", "customer or meta.KEY"),
        ({"breakdown": "customer,meta.region"}, "breakdown", "customer or meta.KEY"),
        ({"breakdown": ["customer", "customer"]}, "breakdown", "each dimension once, but 'customer' came again"),
        ({"breakdown": ["meta.a", "meta.b", "meta.c"]}, "breakdown", "at most 2 times, but 3 came"),
        ({"breakdown": ["customer", "meta.customer"]}, "breakdown", "one name"),
        ({"breakdown": "meta.a\0"}, "breakdown", "NUL"),
        ({"breakdown": "customer", "limit": "0"}, "limit", "from 1 to 1000, but '0' came"),
        ({"breakdown": "customer", "limit": "1001"}, "limit", "from 1 to 1000, but '1001' came"),
        ({"breakdown": "customer", "limit": "-1"}, "limit", "from 1 to 1000"),
        ({"breakdown": "customer", "limit": "1.5"}, "limit", "from 1 to 1000"),
        ({"breakdown": "customer", "limit": "٣"}, "limit", "from 1 to 1000"),
        ({"breakdown": "customer", "limit": "9" * 400}, "limit", "from 1 to 1000"),
        ({"breakdown": "customer", "limit": ["1", "2"]}, "limit", "is given once, but 2 came"),
        ({"limit": "5"}, "limit", "breakdown was not given"),
        ({"unique": "yes"}, "unique", "one of true, false, but 'yes' came"),
        ({"unique": "1"}, "unique", "one of true, false"),
        ({"cumulative": "True"}, "cumulative", "one of true, false, but 'True' came"),
        ({"cumulative": ["true", "true"]}, "cumulative", "is given once"),
        ({"compare": "last"}, "compare", "one of previous, year, but 'last' came"),
        ({"compare": ["previous", "year"]}, "compare", "is given once"),
        ({"compare": "year", "breakdown": "meta.region"}, "compare", "compare=year and breakdown=meta.region"),
        ({"format": "xlsx"}, "format", "one of json, csv, but 'xlsx' came"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(world, query, field, said):
    """A 422 that names the parameter, says what was expected, and what came."""
    api, _, _ = world
    body = problem(api.get("/meters/sum/usage", **query), 422, field, said)
    assert list(body["errors"]) == [field]


def test_empty_parameters_are_as_good_as_none(world):
    """A form that is left empty asks for nothing."""
    api, _, _ = world
    empty = {"breakdown": "", "limit": "", "unique": "", "cumulative": "", "compare": "", "format": "", "as_of": ""}
    assert usage(api, **empty) == usage(api)
    assert usage(api, unique="false", cumulative="false", format="json") == usage(api)


def test_rows_times_buckets_are_bounded(world):
    """All rows and the rest together hold at most 50,000 buckets; with a smaller limit the question is answered."""
    api, _, _ = world
    year = {"group_by": "hour", "start_date": "2025-01-01", "end_date": "2025-07-27", "timezone": "UTC"}
    said = problem(api.get("/meters/sum/usage", breakdown="customer", limit=10, **year), 422, "limit")["detail"]
    for part in ("at most 50,000 buckets", "10 rows", "4,992 each", "54,912", "smaller limit"):
        assert part in said
    body = usage(api, breakdown="customer", limit=9, **year)
    assert sum(len(row["grouped_data"]) for row in body["breakdown"]) == 5 * 4_992
    aggregate = api.get("/usage/aggregate", meter_id="sum", breakdown="customer", limit=1_000, **year)
    assert problem(aggregate, 422, "group_by")
    del year["group_by"]
    assert api.get("/usage/aggregate", meter_id="sum", breakdown="customer", limit=1_000, **year).status_code == 200


def test_calls_that_know_no_buckets_refuse_what_is_about_them(world):
    """Parameters that would do nothing are unknown."""
    api, _, _ = world
    for name in ("unique", "cumulative"):
        for path in ("/usage/aggregate", "/customers/acme/usage", "/meters/sum/customers"):
            needed = {"meter_id": "sum"} if path == "/usage/aggregate" else {}
            problem(api.get(path, **needed, **{name: "true"}), 422, name)
    problem(api.get("/customers/acme/usage", breakdown="customer"), 422, "breakdown")
    problem(api.get("/meters/sum/customers", breakdown="customer"), 422, "breakdown")
    problem(api.get("/meters/sum/customers", compare="year"), 422, "compare")
