"""Stacked bars as SVG made on the server: how one figure divides into a few categories, bucket by bucket.

At most eight series have a colour of their own, in the order they come; what `Series.other` marks is grey, and so is
any series beyond the eighth. Bars start at zero; like the line charts they are fluid, escaped and coloured by class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from markupsafe import Markup

from fluxrate.core.model import Number
from fluxrate.web.charts import CHARACTER, Point, Scale, axis, grid, pixels, ticks
from fluxrate.web.formats import rounded

COLOURS = 8
FILLED = Fraction(7, 10)
"""How much of a bucket's width its bar takes."""


@dataclass(frozen=True, slots=True)
class Series:
    """One category: its name, a value for each bucket, and the address that shows this category alone."""

    name: str
    values: Sequence[Number | None]
    other: bool = False
    url: str = ""


def bar_chart(
    points: Sequence[Point],
    series: Sequence[Series],
    *,
    label: str,
    table: str,
    height: int = 280,
    legend: bool = True,
) -> Markup:
    """Bars of the buckets that `points` name (their own values are not drawn), each divided by `series` from the base
    up; `table` is the id of the table with the same numbers: a row for each bucket, a column for each series.

    Only what can be added makes sense stacked: sums and counts, not maxima or averages.
    """
    totals = [_total(series, i) for i in range(len(points))]
    whole = all(isinstance(value, int) for one in series for value in one.values if value is not None)
    lines = ticks(max((plain(total) for total in totals), default=None), whole=whole)
    scale = Scale(len(points), lines[-1], height)
    gutter = max(len(rounded(line)) for line in lines) * CHARACTER + 12
    return Markup(
        '<div class="chart chart-bars" data-chart="{}" data-band="" data-ys="{}" tabindex="0" role="group"'
        ' aria-label="{}"><svg class="chart-axis" width="{}" height="{}" aria-hidden="true">{}</svg>'
        '<svg class="chart-plot" height="{}" aria-hidden="true">{}{}{}'
        '<line class="chart-cursor" x1="0" x2="0" y1="{}" y2="{}"/><circle class="chart-spot" r="4"/></svg>'
        '<output class="chart-readout" hidden></output></div>{}'
    ).format(
        table,
        " ".join(scale.y(plain(total)) for total in totals),
        label,
        gutter,
        height,
        axis(lines, scale, gutter),
        height,
        grid(lines, scale),
        _bars(points, series, scale),
        names(points, scale),
        scale.top,
        height - scale.bottom,
        _legend(series) if legend else "",
    )


def colour(place: int, series: Series) -> str:
    """The class that colours the series at this place."""
    return "series-other" if series.other or place >= COLOURS else f"series-{place + 1}"


def _total(series: Sequence[Series], i: int) -> Fraction:
    return sum((Fraction(one.values[i] or 0) for one in series), Fraction(0))


def plain(value: Fraction) -> Number:
    """A sum of figures as one; for the axis and the heights."""
    # Sums of decimals have a denominator of tens alone, so the division is exact up to the context's 28 digits; the
    # axis and the heights come from it, never a figure that is shown.
    return value.numerator if value.denominator == 1 else Decimal(value.numerator) / Decimal(value.denominator)


def _bars(points: Sequence[Point], series: Sequence[Series], scale: Scale) -> Markup:
    rect = Markup('<rect class="chart-bar{} {}" x="{}%" width="{}%" y="{}" height="{}"/>')
    room = scale.height - scale.top - scale.bottom
    band = Fraction(100, max(len(points), 1))
    found = []
    for i, point in enumerate(points):
        below = Fraction(0)
        for place, one in enumerate(series):
            size = Fraction(one.values[i] or 0)
            if size <= 0:
                continue
            below += size
            top = scale.height - scale.bottom - room * below / Fraction(scale.top_value)
            found.append(
                rect.format(
                    " bar-open" if point.state else "",
                    colour(place, one),
                    pixels(band * (i + (1 - FILLED) / 2)),
                    pixels(band * FILLED),
                    pixels(top),
                    pixels(room * size / Fraction(scale.top_value)),
                )
            )
    return Markup("").join(found)


def names(points: Sequence[Point], scale: Scale) -> Markup:
    """The ticks under the axis, each in the middle of its band."""
    text = Markup('<text class="chart-label{}" x="{}%" y="{}" text-anchor="middle">{}</text>')
    named = [i for i, point in enumerate(points) if point.tick]
    return Markup("").join(
        text.format(
            " chart-label-wide" if place % 2 else "",
            pixels(Fraction(100 * (2 * i + 1), 2 * len(points))),
            scale.height - 8,
            points[i].tick,
        )
        for place, i in enumerate(named)
    )


def _legend(series: Sequence[Series]) -> Markup:
    """The names with their colours, largest first as they are stacked; a name with an address filters."""
    item = Markup('<li data-series="{}"><svg width="10" height="10" aria-hidden="true">{}</svg>{}</li>')
    swatch = Markup('<rect class="{}" width="10" height="10" rx="2"/>')
    items = []
    for place, one in enumerate(series):
        name = Markup('<a href="{}">{}</a>').format(one.url, one.name) if one.url else Markup.escape(one.name)
        items.append(item.format(colour(place, one), swatch.format(colour(place, one)), name))
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(items))
