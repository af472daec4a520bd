"""Whether a message is Stripe's: HMAC-SHA256 of "TIMESTAMP.BODY" under the endpoint's signing secret.

The header `Stripe-Signature` is `t=TIMESTAMP,v1=SIGNATURE`, with a further `v1` for each secret that is valid while one
is being replaced; other schemes in it count for nothing. A message is taken within five minutes of when it was signed,
so that one that somebody kept cannot be sent again later.
"""

from __future__ import annotations

import hashlib
import hmac

from fluxrate.core import credentials, text
from fluxrate.core.errors import Unauthenticated

HEADER = "Stripe-Signature"
TOLERANCE = 300
"""Seconds between the signing and now, in either direction: clocks differ."""

_MOST = 20
"""Signatures of one header that are looked at."""


def check(header: str | None, body: bytes, secret: str, now: int) -> None:
    """Raise Unauthenticated unless the header signs this body; `now` is in UTC microseconds."""
    if not header:
        raise Unauthenticated(f"Stripe signs its messages in {HEADER}, but none came.")
    parts = [part.strip().partition("=") for part in header.split(",")]
    moments = [value for name, _, value in parts if name == "t"]
    if len(moments) != 1 or not (moments[0].isascii() and moments[0].isdigit() and len(moments[0]) < 12):
        raise Unauthenticated(f"{HEADER} has the time of signing as t=SECONDS, but {text.show(header)} came.")
    signed = hmac.new(secret.encode(), f"{moments[0]}.".encode() + body, hashlib.sha256).hexdigest().encode()
    sent = [value.encode("utf-8", "replace") for name, _, value in parts if name == "v1"][:_MOST]
    # Every one is compared, so that the time says nothing.
    if not sum(credentials.same(one, signed) for one in sent):
        raise Unauthenticated(f"No v1 signature in {HEADER} is one of this message under STRIPE_WEBHOOK_SECRET.")
    if abs(int(moments[0]) - now // 1_000_000) > TOLERANCE:
        raise Unauthenticated(f"The message was signed more than {TOLERANCE} seconds from now; clocks may differ.")
