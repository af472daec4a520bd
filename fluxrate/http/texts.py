"""Query parameters that stay the texts they came as, which are most: read without a schema, in a tenth of the time.

What else a schema says of a parameter is left to the schema, and so is every refusal: a request that is not plainly
right is not read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, missing


class Texts:
    """The parameters of one schema."""

    def __init__(self, schema: Schema) -> None:
        every = schema.fields
        self._plain = frozenset(name for name, field in every.items() if _is_plain(field))
        self._required = frozenset(name for name, field in every.items() if field.required)
        self._defaults = {
            name: field.load_default for name, field in every.items() if field.load_default is not missing
        }

    def read(self, sent: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the schema would make of the parameters; None where it has to be asked."""
        names = sent.keys()
        if names <= self._plain and self._required <= names:
            return {**{name: made() if callable(made) else made for name, made in self._defaults.items()}, **sent}
        return None


def _is_plain(field: Any) -> bool:
    """Whether whatever text comes is taken as it is; of a list, each of its texts."""
    if field.validators or field.attribute or field.data_key or field.dump_only:
        return False
    # A subclass may do more.
    return type(field) is fields.String or (type(field) is fields.List and _is_plain(field.inner))
