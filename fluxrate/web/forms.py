"""What the forms of the pages share: the fields as they were typed, and refusals of the core at their fields.

The rules are those of the API, because both ask the same functions of the core; only the name of a field is said in the
words of the form.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import request

from fluxrate.core.errors import FluxrateError

MOST_TEXT = 20_000
"""Characters of one field that are read; nothing that a form asks for is as long."""


def typed(*names: str) -> dict[str, str]:
    """The fields of the form as they came, without space around them; what did not come is empty."""
    return {name: request.form.get(name, "").strip()[:MOST_TEXT] for name in names}


def sent(name: str) -> bool:
    """Whether this is the form with that hidden `form` field, where a page has several."""
    return request.method == "POST" and request.form.get("form") == name


def at_field(error: FluxrateError, labels: Mapping[str, str], default: str) -> dict[str, str]:
    """The refusal as a sentence at the field that it names, else at `default`.

    Raises the refusal again where it is no fault of the form, such as a store that is away.
    """
    if error.status >= 500:
        raise error
    field = (error.field or default).partition(".")[0]
    label = labels.get(field)
    detail = error.detail
    for name in (error.field, field):
        if label and name and detail.startswith(f"{name} "):
            detail = label + detail[len(name) :]
            break
    return {field if field in labels else default: detail}
