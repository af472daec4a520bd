"""A line that goes on as a forecast, as SVG made on the server: measured solid, ahead dashed, its interval as a band.

Drawn like the line charts: fluid, escaped, coloured by class, read out from the table beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from fluxrate.core.model import Number
from fluxrate.web.charts import CHARACTER, WIDTH, Point, Scale, axis, grid, path, ticks, times
from fluxrate.web.formats import rounded

Band = tuple[Number, Number] | None
"""The least and the most of a bucket; None where nothing is said."""


def band_chart(
    points: Sequence[Point], bands: Sequence[Band], known: int, *, label: str, table: str, height: int = 280
) -> Markup:
    """The chart of `points`, of which the first `known` were measured and the others lie ahead; `bands` has the
    interval of each. `table` is the id of the table with the same numbers, which the readout reads.
    """
    edges = [edge for band in bands if band for edge in band]
    values = [point.value for point in points if point.value is not None]
    lines = ticks(max((*values, *edges), default=None), whole=all(isinstance(v, int) for v in values))
    scale = Scale(len(points), lines[-1], height)
    gutter = max(len(rounded(line)) for line in lines) * CHARACTER + 12
    return Markup(
        '<div class="chart" data-chart="{}" data-ys="{}" tabindex="0" role="group" aria-label="{}">'
        '<svg class="chart-axis" width="{}" height="{}" aria-hidden="true">{}</svg>'
        '<svg class="chart-plot" height="{}" aria-hidden="true">{}{}{}'
        '<line class="chart-cursor" x1="0" x2="0" y1="{}" y2="{}"/><circle class="chart-spot" r="4"/></svg>'
        '<output class="chart-readout" hidden></output></div>'
    ).format(
        table,
        " ".join("" if point.value is None else scale.y(point.value) for point in points),
        label,
        gutter,
        height,
        axis(lines, scale, gutter),
        height,
        grid(lines, scale),
        _lines(points, bands, known, scale),
        times(points, scale),
        scale.top,
        height - scale.bottom,
    )


def _lines(points: Sequence[Point], bands: Sequence[Band], known: int, scale: Scale) -> Markup:
    pieces = [
        (i, one.value, two.value)
        for i, (one, two) in enumerate(pairwise(points))
        if one.value is not None and two.value is not None
    ]
    measured = path([piece for piece in pieces if piece[0] + 1 < known], scale)
    ahead = path([piece for piece in pieces if piece[0] + 1 >= known], scale)
    return Markup(
        '<svg x="0" y="0" width="100%" height="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" overflow="visible">'
        '<path class="chart-band" d="{}"/><path class="chart-line" d="{}"/>'
        '<path class="chart-line chart-dash" d="{}"/></svg>'
    ).format(scale.height, WIDTH, scale.height, _area(bands, scale), measured, ahead)


def _area(bands: Sequence[Band], scale: Scale) -> str:
    """Along the upper ends and back along the lower ones; what has no interval lies after all that has."""
    held = [(scale.x(i, WIDTH), band) for i, band in enumerate(bands) if band is not None]
    if len(held) < 2:
        return ""
    upper = [f"{x} {scale.y(band[1])}" for x, band in held]
    lower = [f"{x} {scale.y(band[0])}" for x, band in reversed(held)]
    return f"M{'L'.join(upper + lower)}Z"
