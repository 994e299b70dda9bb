"""The table of failure modes is whole, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.deployed import ROOT

PAGE = (ROOT / "docs" / "failure-modes.md").read_text(encoding="utf-8")
TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
ROWS = 55


def tables() -> Iterator[list[str]]:
    """The cells of each row of each table, but for the heads."""
    for line in PAGE.splitlines():
        if line.startswith("|") and not line.startswith(("|---", "| row |", "| lost |")):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def functions(name: str) -> set[str]:
    path = ROOT / "tests" / name
    assert path.is_file(), f"{name} does not exist"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def test_every_row_stands_in_the_table_once_and_in_order() -> None:
    rows = [row for row in tables() if row[0].isdecimal()]
    assert [int(row[0]) for row in rows] == list(range(1, ROWS + 1))
    assert {len(row) for row in rows} == {4}
    assert all(all(row) for row in rows)


def test_every_row_names_a_test_and_so_does_every_loss() -> None:
    for row in tables():
        assert TEST.findall(row[-1]), f"no test: {row[0]}"
        assert TEST.sub("", row[-1]).strip() == "", f"something besides names of tests: {row[-1]}"


@pytest.mark.parametrize("name", sorted({file for file, _ in TEST.findall(PAGE)}))
def test_every_test_that_is_named_exists(name: str) -> None:
    named = {test for file, test in TEST.findall(PAGE) if file == name}
    assert named - functions(name) == set()
