"""The benchmark asks everyone for the same: its events never change, and answers that should be equal are compared."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from bench import goals, plot, report
from bench.answers import Different, check
from bench.arrays import in_memory
from bench.contenders.duckdb import DuckDB
from bench.contenders.scan import Scan
from bench.contenders.sqlite import SQLite
from bench.events import FRESH, YEAR_END, YEAR_START, customers_of, fresh, year
from bench.ours import METER, Ours, fill, open_instance
from bench.questions import Kind, questions
from bench.results import Asked, Run, Size
from bench.timing import VARIANTS, ask, learn

SIZE = 20_000
QUESTIONS = {question.name: question for question in questions(SIZE)}
CONTENDERS = ("SQLite", "numpy", "DuckDB", "arrays")


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """Fluxrate on an instance that holds the small year."""
    parts = open_instance(tmp_path_factory.mktemp("instance"))
    fill(parts, year(SIZE), customers_of(SIZE), metadata=True)
    yield Ours(parts, parts.store.meters.find(METER))
    parts.close()


@pytest.fixture(scope="module")
def expected(ours):
    """Fluxrate's answers to every variant of every question."""
    answers = {}
    for question in QUESTIONS.values():
        learn(ours, question, answers)
    assert len(answers) == VARIANTS * len(QUESTIONS)
    return answers


@pytest.fixture(scope="module")
def contenders(tmp_path_factory):
    """Those that need no package which the tests do not have."""
    events, folder = year(SIZE), tmp_path_factory.mktemp("contenders")
    made = {
        "SQLite": SQLite(events, folder / "sqlite.db"),
        "numpy": Scan(events),
        "DuckDB": DuckDB(events),
        "arrays": in_memory(folder / "arrays", events, customers_of(SIZE)),
    }
    yield made
    for contender in made.values():
        contender.close()


def test_a_year_is_always_the_same():
    """The same size gives the same events."""
    one, other = year(SIZE).columns(), year(SIZE).columns()
    assert {name: column.tolist() for name, column in one.items()} == {n: c.tolist() for n, c in other.items()}


def test_a_year_is_in_order_of_time_and_not_of_arrival():
    """Times ascend, every sequence is there once, and some events came late."""
    events = year(SIZE)
    order = list(zip(events.ts.tolist(), events.seq.tolist(), strict=True))
    assert order == sorted(order)
    assert order[0][0] >= YEAR_START
    assert order[-1][0] < YEAR_END
    assert sorted(events.seq.tolist()) == list(range(1, SIZE + 1)) != events.seq.tolist()


def test_fresh_events_follow_the_year():
    """Each batch continues the sequence, in order of time."""
    batches = list(fresh(SIZE))
    seqs = [seq for batch in batches for seq in sorted(batch.seq.tolist())]
    assert seqs == list(range(SIZE + 1, SIZE + len(batches) * FRESH + 1))
    for batch in batches:
        assert batch.ts.tolist() == sorted(batch.ts.tolist())


@pytest.mark.parametrize(
    ("contender", "name"),
    [
        (contender, name)
        for contender in CONTENDERS
        for name, question in QUESTIONS.items()
        # The log reads its page from the store, which the arrays do not have.
        if contender != "arrays" or question.kind is not Kind.LOG
    ],
)
def test_everyone_answers_alike(name, contender, contenders, expected):
    """Fluxrate and a contender give the same integers, for every variant of the question."""
    ask(contenders[contender], QUESTIONS[name], expected)


def test_questions_find_something(expected):
    """No question is answered with nothing, which everyone would agree on."""
    assert [question.name for question, answer in expected.items() if not any(map(any, answer.values()))] == []


def test_fresh_events_are_seen_by_everyone(tmp_path):
    """After the batches have come all contenders still answer alike."""
    parts = open_instance(tmp_path / "instance")
    events = year(100)
    fill(parts, events, customers_of(100), metadata=True)
    ours, expected = Ours(parts, parts.store.meters.find(METER)), {}
    others = [SQLite(events, tmp_path / "sqlite.db"), Scan(events), DuckDB(events)]
    for batch in fresh(100):
        for contender in (ours, *others):
            contender.add(batch)
    question = QUESTIONS["hours"]
    learn(ours, question, expected)
    assert expected[question]["window",][1] == 100 + 3 * FRESH
    for contender in others:
        ask(contender, question, expected)
        contender.close()
    parts.close()


def test_a_difference_is_found(ours):
    """One figure that is off by one, or missing, stops the run with a sentence that names it."""
    question = QUESTIONS["days-30"]
    answer = ours.answer(question, ours.plan(question)())
    place = max(answer, key=str)
    wrong = answer | {place: (answer[place][0] + 1, *answer[place][1:])}
    with pytest.raises(Different, match=r"30 days by day.*window: Fluxrate has .*, Other has"):
        check("Other", question, answer, wrong)
    with pytest.raises(Different, match="has None"):
        check("Other", question, answer, {key: row for key, row in answer.items() if key != place})
    check("Other", question, answer, dict(answer))


def test_a_run_becomes_a_page_and_a_picture(ours, contenders, expected):
    """Every goal and question is on the page; a goal that was not measured is said to be open."""
    asked = []
    for contender in (ours, contenders["DuckDB"]):
        times = {name: ask(contender, question, expected) for name, question in QUESTIONS.items()}
        asked.append(Asked(contender.name, contender.version, 0.0, times))
    sizes = [Size(size, customers_of(size), [], asked) for size in (SIZE, goals.GOAL_SIZE)]
    run = Run("1 January 2025", "a machine", "versions", sizes, None, [])
    page = report.page(run)
    assert all(goal.text in page and goal.wanted() in page for goal in goals.goals())
    assert all(question.text in page for question in QUESTIONS.values())
    assert page.count("not in this run") == 9, "growth, memory, start, rows, fresh events and HTTP"
    assert "$" not in page
    drawn = ElementTree.fromstring(plot.draw(run))
    assert {"Fluxrate", "DuckDB"} <= {node.text for node in drawn.iter("{http://www.w3.org/2000/svg}text")}
