"""Amounts on the wire: in as a text or a short JSON number, out as a number with all the places of its currency."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marshmallow import ValidationError, fields

from fluxrate.core import text

_SAFE_DIGITS = 15
"""The most digits that a decimal keeps on its way through a binary float and back."""


class DecimalField(fields.String):
    """A decimal, as plain text for `core` to judge. A JSON number is taken while it has so few digits that no parser on
    its way can have changed it.
    """

    def __init__(self, help_text: str, **more: Any) -> None:
        described = {"description": help_text, "type": ["string", "number"], "example": "12.50"}
        super().__init__(metadata=described, **more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValidationError(f'is a decimal such as "12.50", but {text.show(value)} came.')
        if isinstance(value, int):
            return str(value)
        exact = Decimal(repr(value))
        if not exact.is_finite() or len(exact.as_tuple().digits) > _SAFE_DIGITS:
            raise ValidationError(f'has too many digits for a JSON number; send it as a text such as "{value}".')
        return format(exact, "f")
