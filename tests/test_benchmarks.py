"""The benchmark command on tiny sizes: that it measures and writes, not what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import SECTIONS, main
from benchmarks.report import BEGIN, END
from benchmarks.targets import TARGETS
from tests.deployed import ROOT

TINY = ["--size=100KB", "--memory-sizes=100KB,200KB", "--rounds=1", "--starts=1", "--triples=2", "--seeds=1"]


def test_sections_are_chosen_and_written_as_json_and_into_a_document(tmp_path: Path) -> None:
    document, said = tmp_path / "page.md", tmp_path / "said.json"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    code = main(
        ["--only=start,differences", *TINY, f"--json={said}", "--update", str(document), f"--folder={tmp_path}"]
    )
    page, found = document.read_text(encoding="utf-8"), json.loads(said.read_text(encoding="utf-8"))
    assert code == 0
    assert page.startswith(f"before\n{BEGIN}\n")
    assert page.endswith(f"{END}\nafter\n")
    assert "old" not in page
    assert str(tmp_path) not in page
    assert "| watcher version |" in page
    assert set(found["sections"]) == {"start", "differences"}
    assert found["sections"]["differences"]["count"] == 0
    assert len(found["targets"]) == len(TARGETS)


def test_a_section_that_fails_is_told_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(*_: object) -> None:
        raise ValueError("the wheel is off")

    monkeypatch.setitem(SECTIONS, "start", breaks)
    assert main(["--only", "start,differences", *TINY, "--folder", str(tmp_path)]) == 1
    page = capsys.readouterr().out
    assert "This section failed: ValueError: the wheel is off" in page
    assert "2 random triples" in page
    assert "not measured: start failed" in page
    assert "not measured: --only left out files" in page


def test_every_target_belongs_to_a_section() -> None:
    assert {target.section for target in TARGETS} <= set(SECTIONS)


def test_the_page_has_a_place_for_the_tables() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert page.index(BEGIN) < page.index(END)
