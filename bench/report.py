"""A run as text: Markdown tables that also read well on a terminal, and the page docs/benchmarks.md made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

import msgspec

from bench.goals import Goal, best_peer, goals
from bench.places import INTAKE, REVENUE
from bench.questions import questions
from bench.results import Asked, AskedRevenue, Intake, Revenue, Run, Size, Timed

_TEMPLATE = Path(__file__).with_name("template.md")
_WHY = Path(__file__).with_name("why.md")
_MS = 1_000

REVENUE_GOAL = 0.1
"""Seconds that an endpoint of revenue may take."""
_REVENUE, _LAST = "## Revenue\n", "## Left out\n"


def page(run: Run) -> str:
    """docs/benchmarks.md."""
    return Template(_TEMPLATE.read_text("utf-8")).substitute(
        date=run.date,
        machine=run.machine,
        versions=run.versions,
        goals=goal_table(run),
        why=_WHY.read_text("utf-8").strip(),
        sizes="\n\n".join(_size(size) for size in run.sizes),
        stores=_stores(run),
        http=_http(run),
        intake=intake_part(msgspec.json.decode(INTAKE.read_bytes(), type=Intake) if INTAKE.exists() else None),
        revenue=revenue_part(msgspec.json.decode(REVENUE.read_bytes(), type=Revenue) if REVENUE.exists() else None),
        left_out="\n".join(f"- {sentence}" for sentence in run.left_out),
    )


def goal_table(run: Run) -> str:
    """The goals with what was measured."""
    return _table(("", "goal", "measured", ""), [_goal(goal, run) for goal in goals()])


def time_table(size: Size) -> str:
    """Medians of everyone, in milliseconds, and the best peer's against Fluxrate's."""
    header = ("ms", *(asked.name for asked in size.asked), "best of 3")
    rows = []
    for name, text in _texts(size):
        best = best_peer(size, name)
        ours = size.asked[0].times[name].median
        times = (_time(asked.times.get(name)) for asked in size.asked)
        rows.append((text, *times, f"**{_times(best / ours)}**" if best else ""))
    return _table(header, rows)


def ratio_table(size: Size) -> str:
    """How many times longer each contender takes than Fluxrate."""
    ours, *others = size.asked
    rows = []
    for name, text in _texts(size):
        ratios = (_ratio(asked, ours.times[name].median, name) for asked in others)
        rows.append((text, *ratios))
    return _table(("times Fluxrate's", *(asked.name for asked in others)), rows)


def _goal(goal: Goal, run: Run) -> tuple[str, ...]:
    found = goal.figure(run)
    if found is None:
        return goal.text, goal.wanted(), "not in this run", ""
    return goal.text, goal.wanted(), goal.form.format(found), "met" if goal.met(found) else "**missed**"


def _size(size: Size) -> str:
    parts = [
        f"## {size.events:,} events, {size.customers:,} customers",
        time_table(size),
        ratio_table(size),
        _loaded(size),
    ]
    if size.asked[0].after:
        parts += ["### First times, and fresh events", _first_table(size), _arrival_table(size)]
    return "\n\n".join(parts)


def _loaded(size: Size) -> str:
    held = "from the saved columns" if size.stores else "from arrays, with indexes"
    ours, *others = ((asked.name, f"{asked.loaded:,.1f} s") for asked in size.asked)
    rest = ", ".join(" ".join(one) for one in others)
    return f"Ready for questions after: {ours[0]} {ours[1]} {held}; {rest}, with indexes where they have any."


def _first_table(size: Size) -> str:
    ours = size.asked[0]
    rows = [
        (text, _number(ours.times[name].first * _MS), _time(ours.times[name]), _time(ours.after.get(name)))
        for name, text in _texts(size)
    ]
    return _table(("Fluxrate, ms", "first time", "median", "median after fresh events"), rows)


def _arrival_table(size: Size) -> str:
    rows = []
    for asked in size.asked:
        if asked.arrival:
            seen = _number(asked.arrival.seen * _MS) if asked.arrival.seen else "with it"
            rows.append((asked.name, _number(asked.arrival.stored * _MS), seen))
    return _table(("10,000 fresh events, ms", "stored", "then seen"), rows)


def _stores(run: Run) -> str:
    rows = []
    for one in (one for size in run.sizes for one in size.stores):
        saved = one.from_saved
        rows.append(
            (
                f"{one.events:,} on {one.store}",
                "yes" if one.metadata else "no",
                f"{one.events / one.filled:,.0f}",
                f"{one.events / one.from_store.loaded:,.0f}",
                f"{saved.loaded:.2f}",
                f"{saved.answered:.2f}",
                f"{saved.asked_all:.2f}",
                f"{saved.ready.columns / one.events:.1f}",
                f"{saved.full.columns / one.events:.1f}",
                f"{saved.full.resident / one.events:.1f}",
            )
        )
    header = ("events", "metadata", "appended/s", "read/s", "saved: loaded s", "first answer s", "one of each s")
    return _table((*header, "bytes/event", "with all indexes", "resident"), rows)


def _http(run: Run) -> str:
    if run.http is None:
        return "Not in this run."
    ours = run.http.served[0]
    rows = [
        (
            served.name,
            f"{served.rate:,.1f}",
            f"{served.middle:,.2f}",
            f"{served.slow:,.2f}",
            _times(ours.rate / served.rate),
        )
        for served in run.http.served
    ]
    sentence = f"{run.http.events:,} events, {run.http.connections} connections, asked by {run.http.client}."
    return f"{sentence}\n\n" + _table(("", "answers/s", "median ms", "99 % ms", "Fluxrate is"), rows)


def intake_part(intake: Intake | None) -> str:
    """What goes in, or that it was not measured."""
    if intake is None:
        return "Not in this run."
    rows = [
        (
            sent.store,
            f"{sent.batched:,.0f}",
            f"{sent.batch_middle:,.1f}",
            f"{sent.batch_slow:,.1f}",
            f"{sent.singles:,.0f}",
            f"{sent.single_middle:,.1f}",
            f"{sent.single_slow:,.1f}",
            f"{sent.imported:,.0f}",
        )
        for sent in intake.sent
    ]
    said = f"Batches of {intake.batch:,}; single events on {intake.connections} connections; {intake.rows:,} rows."
    header = ("", "in batches, events/s", "median ms", "99 % ms", "one by one, events/s", "median ms", "99 % ms")
    return f"{said}\n\n" + _table((*header, "imported rows/s"), rows)


def revenue_part(revenue: Revenue | None) -> str:
    """Revenue figures, or that they were not measured."""
    if revenue is None:
        return "Not in this run."
    stores = list(dict.fromkeys(asked.store for asked in revenue.asked))
    by_text: dict[str, dict[str, AskedRevenue]] = {}
    for asked in revenue.asked:
        by_text.setdefault(asked.text, {})[asked.store] = asked
    rows = []
    for text, found in by_text.items():
        cells = [_number(each * _MS) for store in stores for each in (found[store].mean, found[store].changed)]
        met = all(max(asked.mean, asked.changed) < REVENUE_GOAL for asked in found.values())
        rows.append((text, *cells, "met" if met else "**missed**"))
    header = [name for store in stores for name in (f"{store}, ms", "after a change")]
    asked_table = _table(("", *header, f"under {REVENUE_GOAL * _MS:.0f} ms"), rows)
    return asked_table if not revenue.imported else f"{asked_table}\n\n{_imported(revenue)}"


def _imported(revenue: Revenue) -> str:
    """Rows of files, a second."""
    rows = [
        (one.store, f"{one.subscriptions:,.0f}", f"{one.invoices:,.0f}", f"{one.again:,.0f}")
        for one in revenue.imported
    ]
    return _table(("imported rows/s", "subscriptions", "invoices", "invoices, nothing new"), rows)


def with_revenue(page: str, revenue: Revenue) -> str:
    """The page with its part about revenue measured anew, and everything else as it was."""
    wanted = Template(_TEMPLATE.read_text("utf-8")).safe_substitute(revenue=revenue_part(revenue))
    part = _between(wanted, _REVENUE)
    before, found, after = page.partition(_REVENUE)
    if not found:
        before, after = page.split(_LAST, 1)
        return before + part + _LAST + after
    return before + part + _LAST + after.split(_LAST, 1)[1]


def _between(page: str, heading: str) -> str:
    return heading + page.split(heading, 1)[1].split(_LAST, 1)[0]


def _texts(size: Size) -> Iterator[tuple[str, str]]:
    """Names and texts of the questions that Fluxrate was asked."""
    for question in questions(size.events):
        if question.name in size.asked[0].times:
            yield question.name, question.text


def _time(timed: Timed | None) -> str:
    if timed is None:
        return ""
    return _number(timed.median * _MS) + ("*" if timed.runs == 1 else "")


def _ratio(asked: Asked, ours: float, name: str) -> str:
    return _times(asked.times[name].median / ours) if name in asked.times else ""


def _times(ratio: float) -> str:
    return f"{_number(ratio)}×"


def _number(value: float) -> str:
    """Three digits that count, no exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up; figures stand at the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *rest = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
        return f"| {' | '.join(padded)} |"

    rule = [f"{'-' * (widths[0] + 2)}", *(f"{'-' * (width + 1)}:" for width in widths[1:])]
    return "\n".join([line(header), f"|{'|'.join(rule)}|", *map(line, rows)])
