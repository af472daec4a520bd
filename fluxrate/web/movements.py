"""Bars above and below a line at zero, as SVG made on the server: what came and what went, bucket by bucket.

Like the other charts they are fluid, escaped and coloured by class. What is above is stacked upwards and what is below
downwards, each in the order of the series, so that the two heights of a bucket are its gains and its losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from markupsafe import Markup

from fluxrate.core.model import Number
from fluxrate.web.bars import FILLED, names, plain
from fluxrate.web.charts import CHARACTER, Point, Scale, axis, grid, pixels, ticks
from fluxrate.web.formats import rounded


@dataclass(frozen=True, slots=True)
class Moved:
    """One kind of movement: its name, the class that colours it, and a value for each bucket, negative for a loss."""

    name: str
    colour: str
    values: Sequence[Number]
    url: str = ""


@dataclass(frozen=True, slots=True)
class Both(Scale):
    """A scale that goes below zero, down to `low_value`."""

    low_value: Number = 0

    def y(self, value: Number) -> str:
        """Pixels from the top."""
        room = self.height - self.top - self.bottom
        low = Fraction(self.low_value)
        return pixels(self.height - self.bottom - room * (Fraction(value) - low) / (Fraction(self.top_value) - low))


def movement_chart(
    points: Sequence[Point], series: Sequence[Moved], *, label: str, table: str, height: int = 200, gutter: int = 0
) -> Markup:
    """The bars of the buckets that `points` name; `table` is the id of the table with the same numbers. The axis takes
    `gutter` pixels at least, and the right edge is that of a line chart of the same points.
    """
    columns = [[Fraction(one.values[i]) for one in series] for i in range(len(points))]
    gains = [sum((value for value in column if value > 0), Fraction(0)) for column in columns]
    losses = [sum((value for value in column if value < 0), Fraction(0)) for column in columns]
    lines = _lines(max(gains, default=Fraction(0)), min(losses, default=Fraction(0)))
    scale = Both(len(points), lines[-1], height, low_value=lines[0])
    gutter = max(gutter, max(len(rounded(line)) for line in lines) * CHARACTER + 12)
    return Markup(
        '<div class="chart chart-bars{}" data-chart="{}" data-band="" data-ys="{}" tabindex="0" role="group"'
        ' aria-label="{}"><svg class="chart-axis" width="{}" height="{}" aria-hidden="true">{}</svg>'
        '<svg class="chart-plot" height="{}" aria-hidden="true">{}{}{}'
        '<line class="chart-cursor" x1="0" x2="0" y1="{}" y2="{}"/><circle class="chart-spot" r="4"/></svg>'
        '<output class="chart-readout" hidden></output></div>{}'
    ).format(
        " chart-open" if points and points[-1].state else "",
        table,
        " ".join(scale.y(plain(gain)) for gain in gains),
        label,
        gutter,
        height,
        axis(lines, scale, gutter),
        height,
        grid(lines, scale),
        _bars(points, columns, series, scale),
        names(points, scale),
        scale.top,
        height - scale.bottom,
        _legend(series),
    )


def _lines(high: Fraction, low: Fraction) -> tuple[Number, ...]:
    """Round lines from at least `low` up to at least `high`, zero among them, four to seven of them."""
    step = Fraction(ticks(plain(high - low), whole=False)[1])
    first, last = low // step, -(-high // step)
    return tuple(plain(step * i) for i in range(first, max(last, first + 1) + 1))


def _bars(
    points: Sequence[Point], columns: Sequence[Sequence[Fraction]], series: Sequence[Moved], scale: Both
) -> Markup:
    rect = Markup('<rect class="chart-bar{} {}" x="{}%" width="{}%" y="{}" height="{}"/>')
    room = scale.height - scale.top - scale.bottom
    reach = Fraction(scale.top_value) - Fraction(scale.low_value)
    band = Fraction(100, max(len(points), 1))
    base = scale.height - scale.bottom + room * Fraction(scale.low_value) / reach
    found = []
    for i, (point, column) in enumerate(zip(points, columns, strict=True)):
        above = below = Fraction(0)
        for one, value in zip(series, column, strict=True):
            if not value:
                continue
            top = above + value if value > 0 else below
            above, below = (top, below) if value > 0 else (above, below + value)
            found.append(
                rect.format(
                    " bar-open" if point.state else "",
                    one.colour,
                    pixels(band * (i + (1 - FILLED) / 2)),
                    pixels(band * FILLED),
                    pixels(base - room * top / reach),
                    pixels(room * abs(value) / reach),
                )
            )
    return Markup("").join(found)


def _legend(series: Sequence[Moved]) -> Markup:
    item = Markup(
        '<li data-series="{}"><svg width="10" height="10" aria-hidden="true">'
        '<rect class="{}" width="10" height="10" rx="2"/></svg><a href="{}">{}</a></li>'
    )
    items = (item.format(one.colour, one.colour, one.url, one.name) for one in series)
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(items))
