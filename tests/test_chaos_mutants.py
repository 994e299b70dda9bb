"""The simulation notices: each of a list of deliberate bugs breaks one of its laws within 200 seeds."""

from __future__ import annotations

import re

import pytest

from tests.deployed import ROOT
from tests.mutants import MUTANTS, Mutant
from watcher.simulator.chaos import simulate
from watcher.simulator.law import Law

SEEDS = 200
PAGE = ROOT / "docs" / "simulation.md"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.bug)
def test_a_law_notices(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first seed is one that did when this was written: only to be quick, where the simulation has not changed."""
    mutant.put_in(monkeypatch)
    seeds = sorted(range(SEEDS), key=lambda seed: (seed != mutant.hint, seed))
    breach = next((report.breaches[0] for report in map(simulate, seeds) if report.breaches), None)
    assert breach is not None, f"{SEEDS} seeds, and no law notices"
    assert breach.law in mutant.laws, str(breach)


def section(title: str) -> list[tuple[str, str]]:
    """The rows of the table in this section of the page."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return [(left, right) for left, right in re.findall(r"^\| (.+?) \| (.+?) \|$", text, re.MULTILINE)][1:]


def test_the_page_has_every_law_by_its_name() -> None:
    assert [name for name, _ in section("The laws")] == [f"`{law}`" for law in Law]


def test_the_page_has_every_mutant_and_what_notices_it() -> None:
    listed = {bug: {Law(name) for name in re.findall(r"`(.+?)`", laws)} for bug, laws in section("Does it notice?")}
    assert listed == {mutant.bug: mutant.laws for mutant in MUTANTS}
