"""The picture of docs/benchmarks.md: what a question costs by the number of events, drawn as SVG without a library.

Both axes are logarithmic. The colours change with the reader's colour scheme; a line is named at its end. Chromium,
where it is installed, makes the PNG.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from bench.results import Run

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 960, 520
PANELS = {
    "days-30": "30 days by day, with distinct customers",
    "hours-each": "A year by hour, with customers of each hour",
}
# Light and dark, each at 3:1 or more on its page.
SERIES = {
    "Fluxrate": ("#1f5fbf", "#7fb0ff"),
    "DuckDB": ("#a15c00", "#f0b45a"),
    "Polars": ("#00785a", "#4fc9a4"),
    "chDB": ("#b3420e", "#ff9466"),
    "SQLite": ("#62615c", "#a09e98"),
    "PostgreSQL": ("#8a3f78", "#e59bd0"),
}

_TOP, _BOTTOM, _LEFT, _LABELS, _GAP = 124, 64, 72, 88, 40
_LINE = 15
_UNITS = ((1, "s"), (1e-3, "ms"), (1e-6, "µs"))

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """A logarithmic axis: ten to the power of `low` is drawn at `start`, of `high` at `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value lies."""
        share = (math.log10(value) - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + share * (self.end - self.start)


def draw(run: Run) -> str:
    """The picture as SVG."""
    seconds = [point[1] for name in PANELS for points in _lines(run, name).values() for point in points]
    decades = range(math.floor(math.log10(min(seconds))), math.ceil(math.log10(max(seconds))) + 1)
    y = Scale(decades[0], decades[-1], HEIGHT - _BOTTOM, _TOP)
    sizes = [size.events for size in run.sizes]
    wide = (WIDTH - _LEFT - _GAP - 2 * _LABELS - 16) / 2
    parts = [_frame()]
    for number, (name, title) in enumerate(PANELS.items()):
        left = _LEFT + number * (wide + _LABELS + _GAP)
        x = Scale(math.log10(min(sizes)), math.log10(max(sizes)), left, left + wide)
        parts += [*_axes(x, y, sizes, decades, title, named=number == 0), *_series(_lines(run, name), x, y)]
    return "\n".join([*parts, "</svg>\n"])


def png(svg: Path, file: Path) -> bool:
    """Have Chromium make a picture of the drawing, at twice its size; False where there is none."""
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if browser is None:
        return False
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={profile}", f"--window-size={WIDTH},{HEIGHT}", "--force-device-scale-factor=2"]
        subprocess.run([*command, f"--screenshot={file}", svg.resolve().as_uri()], check=True, capture_output=True)
    return True


def _lines(run: Run, question: str) -> dict[str, list[Point]]:
    """(events, seconds) by contender, in order of size."""
    found: dict[str, list[Point]] = {name: [] for name in SERIES}
    for size in sorted(run.sizes, key=lambda size: size.events):
        for asked in size.asked:
            if asked.name in found and question in asked.times:
                found[asked.name].append((size.events, asked.times[question].median))
    return {name: points for name, points in found.items() if points}


def _frame() -> str:
    colours = [
        "".join(f".{name}{{stroke:{pair[place]};fill:{pair[place]}}}" for name, pair in SERIES.items())
        for place in (0, 1)
    ]
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"
 role="img" aria-label="What one question costs by the number of events">
<style>
text{{font:13px -apple-system,"Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",Arial,sans-serif;fill:#62615c}}
.page{{fill:#fbfbfa}}.title{{font-size:20px;font-weight:600;fill:#1d1d1b}}.panel{{font-weight:600;fill:#1d1d1b}}
.grid{{stroke:#e6e5e1}}.line{{fill:none;stroke-width:1.5;stroke-linejoin:round}}.dot{{stroke:none}}
.name{{stroke:none}}.ours{{stroke-width:3}}text.ours{{font-weight:600}}
{colours[0]}.line{{fill:none}}.dot,.name{{stroke:none}}
@media (prefers-color-scheme:dark){{
text{{fill:#a09e98}}.page{{fill:#131416}}.title,.panel{{fill:#eceae6}}.grid{{stroke:#2b2e33}}
{colours[1]}.line{{fill:none}}.dot,.name{{stroke:none}}
}}
</style>
<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>
<text class="title" x="24" y="40">What one question costs, by the number of events</text>
<text x="24" y="62">Median time of an answer. Both axes are logarithmic; lower is faster.</text>"""


def _axes(x: Scale, y: Scale, sizes: Sequence[int], decades: range, title: str, *, named: bool) -> Iterator[str]:
    yield f'<text class="panel" x="{x.start:.1f}" y="{_TOP - 22}">{escape(title)}</text>'
    for power in decades:
        height = y.at(10.0**power)
        yield f'<line class="grid" x1="{x.start:.1f}" x2="{x.end:.1f}" y1="{height:.1f}" y2="{height:.1f}"/>'
        if named:
            yield f'<text x="{x.start - 12:.1f}" y="{height + 4:.1f}" text-anchor="end">{_duration(power)}</text>'
    for size in sizes:
        yield f'<text x="{x.at(size):.1f}" y="{y.start + 22:.1f}" text-anchor="middle">{_count(size)}</text>'
    middle = (x.start + x.end) / 2
    yield f'<text x="{middle:.1f}" y="{y.start + 44:.1f}" text-anchor="middle">events</text>'


def _series(lines: dict[str, list[Point]], x: Scale, y: Scale) -> Iterator[str]:
    drawn = {name: [(x.at(events), y.at(seconds)) for events, seconds in points] for name, points in lines.items()}
    for name, points in reversed(drawn.items()):
        ours = " ours" if name == "Fluxrate" else ""
        path = " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
        yield f'<polyline class="line {name}{ours}" points="{path}"/>'
        for across, down in points:
            yield f'<circle class="dot {name}" cx="{across:.1f}" cy="{down:.1f}" r="{4 if ours else 3}"/>'
    for name, (across, down) in _apart({name: points[-1] for name, points in drawn.items()}).items():
        ours = " ours" if name == "Fluxrate" else ""
        yield f'<text class="name {name}{ours}" x="{across + 9:.1f}" y="{down + 4:.1f}">{name}</text>'


def _apart(ends: dict[str, Point]) -> dict[str, Point]:
    """Where names stand: at the lines' ends, moved apart where ends of the same size lie close."""
    placed: dict[str, Point] = {}
    for across in {end[0] for end in ends.values()}:
        here = sorted((name for name in ends if ends[name][0] == across), key=lambda name: ends[name][1])
        heights = [ends[name][1] for name in here]
        for _ in range(50):
            for place in range(1, len(heights)):
                overlap = _LINE - (heights[place] - heights[place - 1])
                if overlap > 0:
                    heights[place] += overlap / 2
                    heights[place - 1] -= overlap / 2
        placed |= {name: (across, height) for name, height in zip(here, heights, strict=True)}
    return placed


def _duration(power: int) -> str:
    unit, name = next(((unit, name) for unit, name in _UNITS if 10.0**power >= unit * 0.99), _UNITS[-1])
    return f"{10.0**power / unit:,.3g} {name}"


def _count(size: int) -> str:
    return f"{size / 1e6:g} M" if size >= 1_000_000 else f"{size:,}"
