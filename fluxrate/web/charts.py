"""Line charts and sparklines as SVG made on the server: they print, need no script and take their colours from classes.

A chart is fluid without scaling its text: axis labels stand at percentages of the width, and only the line itself
lives in a nested SVG that stretches (its stroke does not). Sizes are attributes, colours are classes, because the
page's policy allows no inline style. Every text goes through Markup.format and is escaped there.

With script, chart.js draws the same series with uPlot from the JSON beside the picture, where one can zoom. That JSON
has the texts that are read out, made here; its numbers are binary floats and only say where a point stands.

Values stay exact; only pixel positions become decimals, rounded to a hundredth of a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from fluxrate.core.model import Number
from fluxrate.web.formats import number, rounded

STEPS = (Fraction(1), Fraction(2), Fraction(5, 2), Fraction(5), Fraction(10))
WIDTH = 1000
TOP = 12
BOTTOM = 28
CHARACTER = 7


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket as it is drawn; `state` is "", "part" (cut by the window) or "so far".

    `tick` stands under the axis (empty for most), `period` is the name in full. `first` and `last` are the `start_date`
    and `end_date` of the window that is this bucket alone; a chart whose points have none cannot be zoomed.
    """

    tick: str
    period: str
    value: Number | None
    events: int
    state: str = ""
    first: str = ""
    last: str = ""


def ticks(top: Number | None, *, whole: bool) -> tuple[Number, ...]:
    """From zero to at least `top` in 4 to 6 round lines; `whole` allows no step below one."""
    reach = max(Fraction(top or 0), Fraction(0))
    if not reach:
        return tuple(range(5)) if whole else (0, 1, 2, 3, 4)
    power = Fraction(10) ** (len(str(math.floor(reach))) - 2 if reach >= 1 else -_leading_zeros(reach) - 2)
    sizes = (power * scale * step for scale in (1, 10, 100) for step in STEPS[:4])
    step = next(s for s in sizes if reach / s <= 5 and (not whole or s.denominator == 1))
    count = max(math.ceil(reach / step), 3)
    return tuple(_exact(step * i) for i in range(count + 1))


def line_chart(
    points: Sequence[Point],
    *,
    label: str,
    unit: str | None,
    table: str,
    height: int = 280,
    before: Sequence[Point] = (),
    zoom: bool = False,
    events: str = "",
    band: bool = False,
    gutter: int = 0,
) -> Markup:
    """The chart of one series; `table` is the id of the table with the same numbers, which the readout reads.

    `before` is the previous period, drawn dashed bucket by bucket under this one. `zoom` adds the data for uPlot, and
    `events` is the address of the log that a press on a point opens, to which the point's window is added. With `band`
    a point stands in the middle of its bucket, as bars do, and the axis takes `gutter` pixels at least: so two charts
    above each other agree.
    """
    before = before[: len(points)]
    values = [p.value for p in (*points, *before) if p.value is not None]
    lines = ticks(max(values, default=None), whole=all(isinstance(v, int) for v in values))
    scale = Scale(len(points), lines[-1], height, band=band)
    gutter = max(gutter, max(len(rounded(v)) for v in lines) * CHARACTER + 12)
    return Markup(
        '<div class="chart{}" data-chart="{}"{} data-ys="{}"{} tabindex="0" role="group" aria-label="{}">'
        '<svg class="chart-axis" width="{}" height="{}" aria-hidden="true">{}</svg>'
        '<svg class="chart-plot" height="{}" aria-hidden="true">{}{}{}{}{}'
        '<line class="chart-cursor" x1="0" x2="0" y1="{}" y2="{}"/><circle class="chart-spot" r="4"/></svg>'
        '<output class="chart-readout" hidden></output>{}</div>'
    ).format(
        Markup(" chart-open") if points and points[-1].state else "",
        table,
        Markup(' data-band=""') if band else "",
        " ".join("" if p.value is None else scale.y(p.value) for p in points),
        Markup(' data-events="{}"').format(events) if events else "",
        label,
        gutter,
        height,
        axis(lines, scale, gutter),
        height,
        grid(lines, scale),
        _before(before, scale) if any_events(before) else "",
        *((_line(points, scale), _marks(points, scale)) if any_events(points) else ("", "")),
        times(points, scale),
        TOP,
        height - BOTTOM,
        _zoomable(points, before, lines, unit, gutter) if zoom and len(points) > 1 else "",
    )


def sparkline(points: Sequence[Point], *, label: str, height: int = 36) -> Markup:
    """A small line on a zero baseline; `label` says in words what it shows."""
    values = [p.value for p in points if p.value is not None]
    scale = Scale(len(points), max(values, default=0) or 1, height, top=4, bottom=4)
    return Markup(
        '<svg class="spark" height="{}" role="img" aria-label="{}">'
        '<line class="chart-base" x1="0" x2="100%" y1="{}" y2="{}"/>{}{}</svg>'
    ).format(
        height,
        label,
        height - 3.5,
        height - 3.5,
        *((_line(points, scale), _marks(points, scale, small=True)) if any_events(points) else ("", "")),
    )


Piece = tuple[int, Number, Number]
"""A line from one bucket to the next: the first one's place, and both values."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Where a value and a bucket stand: `height` pixels high, of which `top` and `bottom` are left free."""

    count: int
    top_value: Number
    height: int
    top: int = TOP
    bottom: int = BOTTOM
    band: bool = False

    def y(self, value: Number) -> str:
        """Pixels from the top."""
        room = self.height - self.top - self.bottom
        return pixels(self.height - self.bottom - room * Fraction(value) / Fraction(self.top_value))

    def x(self, i: int, width: int) -> str:
        """How far bucket `i` is along `width`; the first and the last stand at its ends, in bands in their middles."""
        if self.band:
            return pixels(Fraction(width * (2 * i + 1), 2 * self.count))
        return pixels(Fraction(width, 2) if self.count == 1 else Fraction(width * i, self.count - 1))


def axis(lines: Sequence[Number], scale: Scale, gutter: int) -> Markup:
    """The labels of the grid lines, right-aligned in a gutter of this many pixels."""
    labels = Markup('<text class="chart-label" x="{}" y="{}" dy="4" text-anchor="end">{}</text>')
    return Markup("").join(labels.format(gutter - 10, scale.y(v), rounded(v)) for v in lines)


def grid(lines: Sequence[Number], scale: Scale) -> Markup:
    """The lines at round numbers; the one at zero is the base."""
    rule = Markup('<line class="{}" x1="0" x2="100%" y1="{}" y2="{}"/>')
    return Markup("").join(rule.format("chart-grid" if v else "chart-base", scale.y(v), scale.y(v)) for v in lines)


def _line(points: Sequence[Point], scale: Scale) -> Markup:
    """The stretching part: a path for what is complete, a dashed one to the bucket that is still growing.

    A bucket that the window cuts stands apart: a line to it would show a fall that is only the window's edge.
    """
    solid: list[Piece] = []
    dashed: list[Piece] = []
    for i, (one, two) in enumerate(pairwise(points)):
        if one.value is None or two.value is None:
            continue
        if "part" not in (one.state, two.state):
            (dashed if two.state == "so far" else solid).append((i, one.value, two.value))
    return Markup(
        '<svg x="0" y="0" width="100%" height="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" overflow="visible">'
        '<path class="chart-line" d="{}"/><path class="chart-line chart-dash" d="{}"/></svg>'
    ).format(scale.height, WIDTH, scale.height, path(solid, scale), path(dashed, scale))


def _before(points: Sequence[Point], scale: Scale) -> Markup:
    pieces = [
        (i, one.value, two.value)
        for i, (one, two) in enumerate(pairwise(points))
        if one.value is not None and two.value is not None and "part" not in (one.state, two.state)
    ]
    return Markup(
        '<svg x="0" y="0" width="100%" height="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" overflow="visible">'
        '<path class="chart-line chart-before" d="{}"/></svg>'
    ).format(scale.height, WIDTH, scale.height, path(pieces, scale))


def _zoomable(
    points: Sequence[Point], before: Sequence[Point], lines: Sequence[Number], unit: str | None, gutter: int
) -> Markup:
    """A block of JSON, no script: `<`, `>`, `&` and quotes are escaped in it, so no name can end it."""
    data: dict[str, Any] = {
        "gutter": gutter,
        "lines": [[float(line), rounded(line)] for line in lines],
        "ticks": [point.tick for point in points],
        "periods": [point.period for point in points],
        "states": [point.state for point in points],
        "first": [point.first for point in points],
        "last": [point.last for point in points],
        "events": [number(point.events) for point in points],
        # As in the drawing of the server: where no event came, there is no line.
        "values": _places(points) if any_events(points) else [None] * len(points),
        "texts": _texts(points, unit),
        "before": {
            "values": _places(before) if any_events(before) else [],
            "texts": _texts(before, unit),
            "periods": [point.period for point in before],
        },
    }
    return Markup('<script type="application/json" class="chart-data">{}</script>').format(
        htmlsafe_json_dumps(data, ensure_ascii=False, separators=(",", ":"))
    )


def _places(points: Sequence[Point]) -> list[float | None]:
    return [None if point.value is None else float(point.value) for point in points]


def _texts(points: Sequence[Point], unit: str | None) -> list[str]:
    measure = f" {unit}" if unit else ""
    return [number(point.value) + (measure if point.value is not None else "") for point in points]


def path(pieces: Sequence[Piece], scale: Scale) -> str:
    """Lines from bucket to bucket, as the `d` of a path as wide as WIDTH."""
    parts, end = [], -1
    for i, one, two in pieces:
        if i != end:
            parts.append(f"M{scale.x(i, WIDTH)} {scale.y(one)}")
        parts.append(f"L{scale.x(i + 1, WIDTH)} {scale.y(two)}")
        end = i + 1
    return "".join(parts)


def _marks(points: Sequence[Point], scale: Scale, *, small: bool = False) -> Markup:
    """Dots where a line cannot show a value: alone between gaps, or not whole (hollow, with its name)."""
    dot = Markup('<circle class="{}" cx="{}%" cy="{}" r="{}"/>')
    name = Markup('<text class="chart-label" x="{}%" dx="9" y="{}" dy="4">{}</text>')
    found, radius = [], "2.5" if small else "3.5"
    for i, point in enumerate(points):
        if point.value is None or not (point.state or _alone(points, i)):
            continue
        x, y = scale.x(i, 100), scale.y(point.value)
        if small and point.state == "part":
            continue
        found.append(dot.format("chart-hollow" if point.state else "chart-dot", x, y, radius))
        if point.state and not small and i in (0, len(points) - 1):
            found.append(name.format(x, y, point.state))
    return Markup("").join(found)


def _alone(points: Sequence[Point], i: int) -> bool:
    near = (points[j].value for j in (i - 1, i + 1) if 0 <= j < len(points))
    return all(value is None for value in near)


def times(points: Sequence[Point], scale: Scale) -> Markup:
    """The ticks under the axis; every other one gives way on a narrow screen."""
    text = Markup('<text class="chart-label{}" x="{}%" y="{}" text-anchor="{}">{}</text>')
    named = [i for i, point in enumerate(points) if point.tick]
    last = len(points) - 1
    return Markup("").join(
        text.format(
            " chart-label-wide" if place % 2 else "",
            scale.x(i, 100),
            scale.height - 8,
            "middle" if scale.band or 0 < i < last or not last else "end" if i else "start",
            points[i].tick,
        )
        for place, i in enumerate(named)
    )


def any_events(points: Sequence[Point]) -> bool:
    """Whether there is anything to draw: a line of zeros would say that usage was measured."""
    return any(point.events for point in points)


def _leading_zeros(value: Fraction) -> int:
    zeros = 0
    while value * 10 < 1:
        value, zeros = value * 10, zeros + 1
    return zeros


def _exact(value: Fraction) -> Number:
    return value.numerator if value.denominator == 1 else Decimal(value.numerator) / Decimal(value.denominator)


def pixels(value: Fraction) -> str:
    """A length as SVG writes it, to a hundredth."""
    return f"{float(value):.2f}".rstrip("0").rstrip(".")


def describe(points: Sequence[Point], unit: str | None) -> str:
    """One sentence that says what a line shows: its ends, its largest value."""
    known = [p for p in points if p.value is not None]
    if not known:
        return "No values."
    top = max(known, key=lambda p: Fraction(p.value or 0))
    measure = f" {unit}" if unit else ""
    return f"From {points[0].period} to {points[-1].period}; the most was {number(top.value)}{measure} on {top.period}."
