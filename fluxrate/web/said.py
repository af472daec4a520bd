"""What was done, said once: a form that changes something redirects, and the next page says so for a few seconds.

The cookie between the two holds the name of a sentence of this table, so nobody can put words in the page's mouth.
"""

from __future__ import annotations

from flask import Response, after_this_request, make_response, redirect, request

COOKIE = "fluxrate_said"
SECONDS = 30
SENTENCES = {
    "customer.created": "Customer created.",
    "customer.updated": "Customer changed.",
    "event.voided": "Event voided.",
    "key.revoked": "Key revoked.",
    "meter.archived": "Meter archived.",
    "meter.created": "Meter created.",
    "meter.restored": "Meter restored.",
    "meter.updated": "Meter changed.",
    "user.created": "Account created.",
    "user.removed": "Account removed.",
}


def leave_for(url: str, done: str) -> Response:
    """Go on to a page that says what was done, one of SENTENCES."""
    answer = make_response(redirect(url, 303))
    answer.set_cookie(COOKIE, done, max_age=SECONDS, httponly=True, samesite="Lax", secure=request.is_secure)
    return answer


def sentence() -> str | None:
    """What the page has to say; the cookie goes with it."""
    found = SENTENCES.get(request.cookies.get(COOKIE, ""))
    if found:
        after_this_request(_forget)
    return found


def _forget(answer: Response) -> Response:
    answer.delete_cookie(COOKIE)
    return answer
