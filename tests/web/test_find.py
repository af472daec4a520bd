"""The palette's answers: pages, meters and customers by a part of their name, for people who are signed in."""

from __future__ import annotations

import pytest

from tests.web.conftest import visible


def find(instance, text):
    answer = instance.client.get("/find", query_string={"q": text})
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "Dashboard Page"),
        ("LOGS", "Usage logs Page"),
        ("api c", "API calls Meter"),
        ("söh", "Airy &amp; Söhne Customer"),
        ("bare", "bare_1 Customer"),
    ],
)
def test_a_part_of_a_name_finds(filled, text, expected):
    assert expected in visible(find(filled, text))


def test_what_begins_with_the_letters_comes_first(filled):
    assert visible(find(filled, "a")).startswith("Audit trail")


@pytest.mark.parametrize("text", ["nothing such", "<script>", "%", "\0", "a" * 5000])
def test_anything_may_be_typed(filled, text):
    assert find(filled, text).strip() == ""


def test_only_pages_that_are_there_are_offered(filled):
    assert "Revenue" not in find(filled, "rev") or filled.client.get("/revenue").status_code == 200


def test_strangers_find_nothing(filled):
    answer = filled.app.test_client().get("/find?q=a")
    assert answer.status_code in (302, 303)
    assert "/sign-in" in answer.location
