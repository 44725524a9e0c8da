"""Every log record has a stable action that machines can match, listed in docs/logs.md. Read from the code itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
ASIDE = {"tests", "bench", "tools", "build", "dist"}
"""Folders of the checkout that are no part of what runs."""
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


@dataclass(frozen=True)
class Record:
    """One call of a logger's method, as it is written."""

    place: str
    file: str
    level: str
    message: ast.expr | None
    extra: ast.expr | None

    @property
    def weight(self) -> str:
        """Its level; an exception is an error with its traceback."""
        return "error" if self.level == "exception" else self.level

    @property
    def action(self) -> str | None:
        """The literal in ``extra=log.action("literal", …)``."""
        call = self.extra
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "log.action" and call.args:
            first = call.args[0]
            return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        return None


def code() -> list[Path]:
    """Every file of ours that runs in production."""
    found = sorted(ROOT.glob("*.py"))
    for folder in sorted(each for each in ROOT.iterdir() if each.is_dir() and not each.name.startswith(".")):
        if folder.name not in ASIDE and not folder.name.endswith(".egg-info"):
            found += sorted(folder.rglob("*.py"))
    return found


def loggers(tree: ast.Module) -> set[str]:
    """The names that a module gives to what ``log.get`` or ``logging.getLogger`` answers."""
    return {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _makes_logger(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _makes_logger(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in ("log.get", "logging.getLogger")


def records(text: str, file: str) -> Iterator[Record]:
    tree = ast.parse(text)
    known = loggers(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        target = node.func.value
        ours = (isinstance(target, ast.Name) and target.id in known) or _makes_logger(target)
        if ours and node.func.attr in LEVELS | {"log"}:
            extra = next((each.value for each in node.keywords if each.arg == "extra"), None)
            yield Record(f"{file}:{node.lineno}", file, node.func.attr, next(iter(node.args), None), extra)


def every_record() -> list[Record]:
    found: list[Record] = []
    for path in code():
        found += records(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
    return found


RECORDS = every_record()


def documented() -> dict[str, str]:
    """Level by action, as the page's tables have them."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.{10,}) \|$", PAGE, re.MULTILINE)
    assert len({action for action, _, _ in rows}) == len(rows), "an action stands twice on the page"
    return {action: level for action, level, _ in rows}


def test_the_reading_finds_the_loggers_of_the_tree() -> None:
    assert len(RECORDS) > 40
    assert len({each.file for each in RECORDS}) > 20


@pytest.mark.parametrize("each", RECORDS, ids=lambda each: each.place)
def test_every_record_has_a_literal_action_and_a_literal_message(each: Record) -> None:
    assert each.level in LEVELS, "the level is the method's name"
    assert each.action is not None, 'pass extra=log.action("a_literal")'
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", each.action)
    is_text = isinstance(each.message, ast.Constant) and isinstance(each.message.value, str)
    is_constant = isinstance(each.message, ast.Name) and each.message.id.isupper()
    assert is_text or is_constant, "values go into the arguments, not into the message"


def test_an_action_means_one_thing_so_it_belongs_to_one_file_and_one_level() -> None:
    homes: dict[str, set[tuple[str, str]]] = {}
    for each in RECORDS:
        homes.setdefault(str(each.action), set()).add((each.file, each.weight))
    assert {action: places for action, places in homes.items() if len(places) > 1} == {}


def test_a_record_that_names_a_job_brings_its_id_along() -> None:
    of_jobs = [
        each for each in RECORDS if isinstance(each.message, ast.Constant) and "Job %s" in str(each.message.value)
    ]
    assert len(of_jobs) >= 9
    assert [each.place for each in of_jobs if "job_id=" not in ast.unparse(each.extra or ast.Pass())] == []


def test_the_page_has_every_action_with_its_level_and_no_other() -> None:
    assert documented() == {str(each.action): each.weight for each in RECORDS}


def test_nothing_is_printed_beside_the_log_and_the_command_line() -> None:
    """``install.py`` speaks to whoever installs; a command's output goes through cli/output.py."""
    prints = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in code()
        if path.name != "install.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert prints == []


@pytest.mark.parametrize(
    "bad",
    [
        'logger.info("done")',
        'logger.info("done", extra={"action": "done"})',
        'logger.info("done", extra=log.action(name))',
        'logger.log(20, "done", extra=log.action("done"))',
        'logger.info(f"done {x}", extra=log.action("done"))',
        'logger.info("done %s" % x, extra=log.action("done"))',
        'log.get("x").info("done")',
    ],
)
def test_the_reading_refuses_what_it_should(bad: str) -> None:
    (found,) = records(f'logger = log.get("x")\n{bad}\n', "x.py")
    with pytest.raises(AssertionError):
        test_every_record_has_a_literal_action_and_a_literal_message(found)
