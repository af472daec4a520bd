"""Every pair of colours that is used is readable, light and dark; read from the style sheet itself."""

from __future__ import annotations

import re

import pytest

from fluxrate.web import STATIC

TEXT_PAIRS = [
    *((text, ground) for text in ("text", "second", "accent", "bad") for ground in ("page", "panel", "tint")),
    *((text, ground) for text in ("good", "warn") for ground in ("page", "panel")),
    ("on-accent", "accent"),
]
SERIES = [*(f"series-{i}" for i in range(1, 9)), "series-other"]
MARK_PAIRS = [(mark, ground) for mark in ("accent", "second", "bad", "warn", *SERIES) for ground in ("page", "panel")]


def tokens() -> dict[str, tuple[str, str]]:
    css = (STATIC / "tokens.css").read_text()
    return {
        name: (light, dark) for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", css)
    }


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT_PAIRS)
def test_text_reaches_four_and_a_half_to_one(text, ground, theme):
    found = tokens()
    assert contrast(found[text][theme], found[ground][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("mark", "ground"), MARK_PAIRS)
def test_chart_marks_reach_three_to_one(mark, ground, theme):
    found = tokens()
    assert contrast(found[mark][theme], found[ground][theme]) >= 3


def test_colours_live_in_the_tokens_only():
    for name in ("app.css", "pages.css", "charts.css"):
        css = (STATIC / name).read_text()
        without_print = css[: css.find("@media print")] if "@media print" in css else css
        assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{}]*;)", without_print), name


def test_every_token_that_is_used_exists():
    css = "".join((STATIC / name).read_text() for name in ("tokens.css", "app.css", "pages.css", "charts.css"))
    defined = set(re.findall(r"(--[\w-]+):", css))
    assert set(re.findall(r"var\((--[\w-]+)", css)) <= defined
