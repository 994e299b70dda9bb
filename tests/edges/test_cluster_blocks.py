"""A backlog that comes in large pieces: delivered in blocks, each line once, also where it breaks off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.edges.listening import Scene, listening
from tests.edges.scripted_kube import Fault, ScriptedKube, serving
from watcher.core.lines import LONGEST_LINE
from watcher.sources import BlockLines, LinesRead

LINES = [b"line %d of a backlog that is long enough to come in large pieces" % number for number in range(20_000)]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    kube = ScriptedKube()
    async with serving(kube) as address:
        yield Scene(kube, address, tmp_path)


async def test_a_backlog_is_delivered_in_blocks(scene: Scene) -> None:
    scene.kube.write(*LINES)
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.caught_up >= 1)
    assert heard.lines == LINES
    blocks = [event.lines.block for event in heard.of(LinesRead) if isinstance(event.lines, BlockLines)]
    assert sum(block.count for block in blocks) > len(LINES) / 2
    assert max(block.count for block in blocks) > len(LINES) / 100
    assert heard.gaps == []


async def test_a_backlog_that_breaks_off_is_read_on_without_loss_or_repetition(scene: Scene) -> None:
    scene.kube.write(*LINES)
    whole = len(scene.kube.life.log)
    scene.kube.faults.extend(Fault("abort", after=whole // 7 + 13) for _ in range(8))
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.caught_up >= 1)
        scene.kube.write(b"live")
        await heard.until(lambda: len(heard.lines) > len(LINES))
    assert heard.lines == [*LINES, b"live"]
    assert heard.gaps == []


async def test_reading_goes_on_behind_a_block_after_a_restart_of_ours(scene: Scene) -> None:
    scene.kube.write(*LINES)
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.caught_up >= 1)
    scene.kube.write(*LINES[:9])
    async with listening(scene.source(), heard.cursor) as again:
        await again.until(lambda: again.caught_up >= 1)
    assert again.lines == LINES[:9]


async def test_a_line_longer_than_a_block_and_an_error_of_the_kubelet_are_what_they_were(scene: Scene) -> None:
    scene.kube.write(*LINES[:5000], b"x" * (LONGEST_LINE + 5000), *LINES[5000:10000])
    scene.kube.life.log += b"failed to watch file: no space left\n"
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(heard.lines) == 10_001)
    assert [len(line) for line in heard.lines[5000:5001]] == [LONGEST_LINE - len("2023-11-14T22:13:25.001000000Z ")]
    assert heard.lines[:5000] + heard.lines[5001:] == LINES[:10000]
