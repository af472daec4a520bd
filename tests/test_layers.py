"""The house rules that a machine can check: who imports whom, how large things are, what is never written.

Each test collects every place that breaks its rule, so that one run shows them all.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from importlinter import configuration
from importlinter.application.use_cases import lint_imports

ROOT = Path(__file__).resolve().parent.parent
MAX_FUNCTION = 60
MAX_FILE = 400

# What core.columns may import besides the standard library: nothing that knows of SQL, HTTP or settings.
COLUMNS_MAY_IMPORT = (
    "numpy",
    "fluxrate.core.alone",
    "fluxrate.core.columns",
    "fluxrate.core.errors",
    "fluxrate.core.metric",
    "fluxrate.core.model",
)

# The edges, where one failing part must not take the rest along, by file and function: a panel, a job and a
# connection, which log, and a stranger's plugin, which stops the start in words that name it.
BROAD_EXCEPT = {
    ("fluxrate/app.py", "installed_plugins"),
    ("fluxrate/core/store/commits.py", "_store"),
    ("fluxrate/scheduler.py", "run"),
    ("fluxrate/serving/threads.py", "_work"),
    ("fluxrate/web/boxes.py", "_box"),
    ("fluxrate/web/dashboard.py", "_height"),
    ("fluxrate/web/turns.py", "_run"),
}

FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "render_template_string"}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill"}

# What the Content-Security-Policy refuses, and what would let a stranger's text through unescaped.
FORBIDDEN_IN_TEMPLATES = {
    "unescaped output": r"\|\s*safe\b|\{%-?\s*autoescape\s+false|Markup\(",
    "an inline script": r"<script(?![^>]*\bsrc=)",
    "an inline style": r"<style\b|\sstyle\s*=",
    "an event attribute": r"<[^>]*\s(on[a-z]+|hx-on[\w:.-]*)\s*=",
    "script in a value": r"""["'\s](javascript:|js:)""",
    "a file from another host": r"<(?:script|link|img|iframe|source|form)\b[^>]*"
    r"""\s(?:src|srcset|href|action)\s*=\s*["']?(?:https?:)?//""",
}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def _modules() -> dict[str, ast.Module]:
    """Every module of the package by the path of its file."""
    paths = sorted((ROOT / "fluxrate").rglob("*.py"))
    return {_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a plain or dotted name, by the last part of that name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr, node


def _imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything imported; `from a import b` gives a.b, since b may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def test_the_layer_contracts_hold(capsys: pytest.CaptureFixture[str]) -> None:
    """Every contract of .importlinter is kept."""
    # Not importlinter.cli: that one sets up logging, which silences every logger there is for the tests to come.
    configuration.configure()
    kept = lint_imports(config_filename=str(ROOT / ".importlinter"), cache_dir=None, no_logo=True)
    assert kept, capsys.readouterr().out


def test_the_numpy_room_imports_only_what_is_named() -> None:
    """core/columns knows numpy, the standard library and a few leaf modules of core."""
    strangers = [
        f"{file}:{line} imports {name}"
        for file, tree in _modules().items()
        if file.startswith("fluxrate/core/columns/")
        for line, name in _imported(tree)
        if name.split(".")[0] not in sys.stdlib_module_names
        and not any(name == allowed or name.startswith(f"{allowed}.") for allowed in COLUMNS_MAY_IMPORT)
    ]
    assert strangers == []


def test_every_module_opens_with_its_contract() -> None:
    """Each module has a docstring."""
    assert [file for file, tree in _modules().items() if not ast.get_docstring(tree)] == []


def test_no_import_stands_inside_a_function() -> None:
    """What a module needs is said at its top, where the layer rule and a reader see it."""
    inside = [
        f"{file}:{line} imports {name} inside {function.name}"
        for file, tree in _modules().items()
        for function in _functions(tree)
        for line, name in _imported(function)
    ]
    assert inside == []


def test_files_stay_small() -> None:
    """No module is over 400 lines."""
    lengths = {file: len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in _modules()}
    assert {file: lines for file, lines in lengths.items() if lines > MAX_FILE} == {}


def test_functions_stay_small() -> None:
    """No function is over 60 lines, its docstring included."""
    sizes = {
        f"{file}:{function.lineno} {function.name}": (function.end_lineno or 0) - function.lineno + 1
        for file, tree in _modules().items()
        for function in _functions(tree)
    }
    assert {place: lines for place, lines in sizes.items() if lines > MAX_FUNCTION} == {}


def _is_broad(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(k is None or (isinstance(k, ast.Name) and k.id in {"Exception", "BaseException"}) for k in kinds)


def test_broad_excepts_stand_only_at_the_edges() -> None:
    """The list of functions that catch everything is complete, and none on it has gone."""
    found = set()
    for file, tree in _modules().items():
        # An inner function comes after the one around it, so it has the last word.
        owner = {node: function.name for function in _functions(tree) for node in ast.walk(function)}
        handlers = (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler))
        found |= {(file, owner.get(handler, "")) for handler in handlers if _is_broad(handler)}
    assert found == BROAD_EXCEPT


def test_nothing_turns_text_into_code() -> None:
    """No eval, no unpickling, no template made from a string, under its own name or another."""
    found = [
        f"{file}:{line} {name}"
        for file, tree in _modules().items()
        for line, name in [
            *((call.lineno, name) for name, call in _calls(tree) if isinstance(call.func, ast.Name)),
            *((line, name.split(".")[0]) for line, name in _imported(tree)),
            *((line, name.rsplit(".", 1)[-1]) for line, name in _imported(tree)),
        ]
        if name in FORBIDDEN_CALLS | FORBIDDEN_MODULES
    ]
    assert found == []


def _is_trusted(argument: ast.expr) -> bool:
    """A literal, into which values go by Markup.format and are escaped, or what a template just gave."""
    rendered = isinstance(argument, ast.Call) and ast.unparse(argument.func) == "render_template"
    return rendered or isinstance(argument, ast.Constant)


def test_markup_is_made_of_literals_only() -> None:
    """What is trusted as HTML stands in the source or comes from Jinja, which escapes."""
    built = [
        f"{file}:{call.lineno}"
        for file, tree in _modules().items()
        for name, call in _calls(tree)
        if name == "Markup" and not all(map(_is_trusted, call.args))
    ]
    assert built == []


@pytest.mark.parametrize("what", FORBIDDEN_IN_TEMPLATES)
def test_templates_hold_nothing_the_policy_refuses(what: str) -> None:
    """No inline script or style, no unescaped value, nothing from another host."""
    pattern = re.compile(FORBIDDEN_IN_TEMPLATES[what], re.IGNORECASE)
    found = [
        f"{_name(path)} holds {what}: {match.group(0)!r}"
        for path in sorted((ROOT / "fluxrate").rglob("templates/**/*.html"))
        for match in pattern.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("unescaped output", "{{ name | safe }}"),
        ("an inline script", "<script>go()</script>"),
        ("an inline style", '<p style="color: red">'),
        ("an event attribute", '<a href="/" onclick="go()">'),
        ("script in a value", '<a href="javascript:go()">'),
        ("a file from another host", '<script src="https://example.org/x.js"></script>'),
    ],
)
def test_the_template_rules_can_fail(what: str, text: str) -> None:
    """Each pattern finds what it is there for."""
    assert re.search(FORBIDDEN_IN_TEMPLATES[what], text, re.IGNORECASE)
