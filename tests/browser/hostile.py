"""Texts that break out of careless pages, and an instance that has one in every field which takes any text."""

from __future__ import annotations

import json
from pathlib import Path

from fluxrate.core import accounts
from fluxrate.core.model import COMMAND_LINE, NewEvent
from fluxrate.plugin import Panel, Plugin
from tests.web.bills import bill, plan, subscribe, turn
from tests.web.conftest import HOUR, Instance, instance_in

PAYLOADS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "'><img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<style>*{display:none}</style>",
    "<iframe src=https://evil.example></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=https://evil.example>",
    "<embed src=https://evil.example>",
    "<link rel=stylesheet href=https://evil.example>",
    "<base href=https://evil.example>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<form action=https://evil.example><input type=submit>",
    "<a href=javascript:alert(1)>x</a>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    "` onload=alert(1) `",
    "{{ 7*7 }}",
    "{% raw %}",
    "${alert(1)}",
    "#{7*7}",
    "<!--",
    "-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "<template><script>alert(1)</script></template>",
    '<div hx-get=/logs hx-trigger=load hx-on:load="alert(1)">',
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "=HYPERLINK(\"https://evil.example\")<b id='injected'>",
)


def filled_with(folder: Path, payloads: tuple[str, ...] = PAYLOADS) -> Instance:
    """An instance where meters, units, customers, events, metadata, keys, voids, a panel, plans, charges, subscriptions
    and invoices with their lines are named by payloads.
    """
    label = payloads[3]
    panel = Panel("hostile", label, "panels/meters.html", lambda context: None, rank=99)
    instance = instance_in(folder, Plugin("hostile", panels=(panel,)))
    services, now = instance.services, instance.services.clock()
    meters = [instance.meter(f"m{i}", text, unit=text[:30]) for i, text in enumerate(payloads[:6])]
    for i, text in enumerate(payloads):
        customer = services.store.customers.create(
            external_id=text, name=text, email=f"{text}@x.example"[:200], now=now
        )
        meta = json.dumps({text: text, "nested": {text: [text]}})
        for meter in (meters[0], meters[i % len(meters)]):
            event = NewEvent(meter.pk, customer.pk, text, now - (i + 1) * HOUR, 1 + i, f"{meter.pk}{text}", meta)
            stored = services.ingest.store([event])[0].event
        services.ingest.void(stored.id, text, COMMAND_LINE)
        accounts.create_key(services.store, text, ("usage.read",), now)
        plan(instance, text, name=text)
        subscribe(instance, text, text, text, 40)
        bill(instance, text, text, "1.00", 3 * i - 20, lines=[{"description": text, "amount": "1.00"}])
    subscribe(instance, "more", payloads[0], payloads[1], 10, quantity=2)
    turn(instance, "more", 5, status="CANCELED")
    fallen = services.store.customers.find(payloads[2])
    events = [
        NewEvent(meters[0].pk, fallen.pk, payloads[2], now - (9 + i) * 24 * HOUR, 5, f"fallen {i}", None)
        for i in range(50)
    ]
    services.ingest.store(events)
    return instance
