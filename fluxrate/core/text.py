"""Text from strangers: what a name, an identifier and a slug may hold, and how errors show bad input.

Promises that nothing accepted here can break a store (PostgreSQL refuses NUL and lone surrogates, and with
them a whole batch), a terminal (control characters) or a reader's eye (line separators, bidirectional
overrides). Refuses with RuleBroken.
"""

from __future__ import annotations

import re
import reprlib
import unicodedata

from fluxrate.core.errors import RuleBroken

SHOWN = 60
"""The most characters of untrusted input that an error sentence repeats."""

_SLUG = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
# C0, DEL and C1 controls; lone surrogates; line and paragraph separators; bidirectional embeddings,
# overrides, isolates. The marks U+200E, U+200F and U+061C stay: honest right-to-left names need them and they
# reorder nothing by force.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_SURROGATE = re.compile("[\ud800-\udfff]")

# Nearly every identifier, known by one look: printable ASCII without a space at either end.
_USUAL = re.compile("[!-~](?:[ -~]*[!-~])?")

_repr = reprlib.Repr()
_repr.maxlevel = 2
_repr.maxstring = _repr.maxother = _repr.maxlong = SHOWN


def clean(value: str, field: str, *, longest: int = 255) -> str:
    """A display name as it is stored: stripped, in Unicode NFC; empty or unprintable is refused.

    NFC makes the two ways to write an accented letter one name. Never use it on an identifier: see
    `identifier`.
    """
    _refuse_forbidden(value, field)
    name = unicodedata.normalize("NFC", value.strip())
    if not name:
        raise RuleBroken(f"{field} is a text that is not empty, but {show(value)} came.", field=field)
    _refuse_long(name, field, longest)
    return name


def identifier(value: str, field: str, *, longest: int = 255) -> str:
    """A sender's own identifier, checked and returned unchanged: a join key is never normalised.

    Refused: empty, longer than `longest`, spaces at either end, and the characters that `clean` refuses too.
    """
    if len(value) <= longest and _USUAL.fullmatch(value):
        return value
    return _judged(value, field, longest)


def _judged(value: str, field: str, longest: int) -> str:
    _refuse_forbidden(value, field)
    if not value or value != value.strip():
        raise RuleBroken(
            f"{field} is a text that is not empty and has no space at either end, but {show(value)} came.",
            field=field,
        )
    _refuse_long(value, field, longest)
    return value


def storable(value: str) -> bool:
    """Whether a store takes the text, be it in a question: PostgreSQL takes no NUL, and neither a lone surrogate."""
    return "\0" not in value and (value.isascii() or _SURROGATE.search(value) is None)


def slug(value: str, field: str) -> str:
    """A name for paths and commands: 1 to 63 of a-z, 0-9, `_`, `.`, `-`, first a letter or digit."""
    if not _SLUG.fullmatch(value):
        raise RuleBroken(
            f"{field} is 1 to 63 of a-z, 0-9, '_', '.' and '-', starting with a letter or digit,"
            f" but {show(value)} came.",
            field=field,
        )
    return value


def show(value: object) -> str:
    """Untrusted input for an error sentence: like repr, on one line, printable, at most 60 characters."""
    try:
        # Cut before repr: the input may be megabytes.
        shown = repr(value[:SHOWN]) if isinstance(value, str) else _repr.repr(value)
    except ValueError:  # an int of more digits than str() converts
        shown = f"a value of type {type(value).__name__}"
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)
    whole = len(shown) <= SHOWN and not (isinstance(value, str) and len(value) > SHOWN)
    return shown if whole else shown[: SHOWN - 4] + "..." + shown[-1]


def _refuse_forbidden(value: str, field: str) -> None:
    bad = _FORBIDDEN.search(value)
    if bad:
        raise RuleBroken(
            f"{field} holds printable characters only, but character {bad.start() + 1}"
            f" of {show(value)} is U+{ord(bad.group()):04X}.",
            field=field,
        )


def _refuse_long(value: str, field: str, longest: int) -> None:
    if len(value) > longest:
        raise RuleBroken(f"{field} has at most {longest} characters, but {show(value)} has {len(value)}.", field=field)
