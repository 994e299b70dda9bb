"""How a profile does on a log: what each pattern matched, what none matched, and where matching stopped."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from typing import Any, cast

from watcher.core.envelopes import Envelope
from watcher.core.facts import read_fields
from watcher.core.lines import LineSplitter
from watcher.errors import ConfigError
from watcher.matcher import Matcher, Reading
from watcher.pattern import MAX_EVIDENCE, Pattern, stopped_at
from watcher.profile import Profile

MAX_SHOWN = 200  # near misses that are explained; the others are counted
_CHUNK = 256 << 10
_GZIP = b"\x1f\x8b"


@dataclass(slots=True)
class PatternUse:
    """What one pattern matched. ``captures`` are the fields of its first hit, ``line`` is that line's number."""

    pattern: Pattern
    hits: int = 0
    line: int | None = None
    captures: dict[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A line that looks like progress and is none that the profile knows; ``pattern`` is the one most like it."""

    line: int
    text: str
    pattern: str | None
    problem: str


@dataclass(slots=True)
class PatternReport:
    """What ``check_patterns`` found. ``lines`` is ``matched + ignored + missed``; ``missed`` are the near misses.

    ``log`` is None where the lines were the profile's own samples. ``unmatched`` holds the number and message of every
    line that nothing matched, if it was asked for. ``warnings`` say what stood in the way of reading.
    """

    profile: Profile
    log: str | None
    uses: dict[str, PatternUse]
    lines: int = 0
    matched: int = 0
    missed: int = 0
    near_misses: list[NearMiss] = field(default_factory=list)
    unmatched: list[tuple[int, str]] = field(default_factory=list)
    timeouts: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def ignored(self) -> int:
        """Lines that no pattern matched and that do not look like progress."""
        return self.lines - self.matched - self.missed


def check_patterns(profile: Profile, log: str | None = None, *, print_missed: bool = False) -> PatternReport:
    """Read ``log`` (a path, ``-`` for stdin, gzip is recognised) by a profile; None: its own samples.

    Raises ``ConfigError`` where the log cannot be opened. A log that breaks off is read as far as it goes.
    """
    report = PatternReport(profile, log, {pattern.id: PatternUse(pattern) for pattern in profile.patterns})
    lines = _samples(profile) if log is None else _lines(log, report.warnings)
    matcher = Matcher(profile)
    for number, raw in enumerate(lines, start=1):
        _count(report, number, matcher.read(raw), keep_unmatched=print_missed)
    report.timeouts = dict(matcher.timeouts)
    return report


def as_document(report: PatternReport) -> dict[str, Any]:
    """The report as JSON can hold it."""
    profile = report.profile
    return {
        "version": 1,
        "profile": profile.name,
        "file": profile.file,
        "log": report.log,
        "lines": report.lines,
        "matched": report.matched,
        "ignored": report.ignored,
        "missed": report.missed,
        "patterns": [
            {
                "id": use.pattern.id,
                "means": use.pattern.means.value,
                "says": use.pattern.says,
                "hits": use.hits,
                "timeouts": report.timeouts.get(use.pattern.id, 0),
                "line": use.line,
                "captures": use.captures,
            }
            for use in report.uses.values()
        ],
        "near_misses": [
            {"line": each.line, "text": each.text, "pattern": each.pattern, "problem": each.problem}
            for each in report.near_misses
        ],
        "unmatched": [{"line": number, "text": text} for number, text in report.unmatched],
        "warnings": report.warnings,
    }


def as_text(report: PatternReport) -> str:
    """The report for a terminal, ending in the summary line."""
    width = max((len(name) for name in report.uses), default=0)
    said = [f"profile {report.profile.name} ({report.profile.file}): {len(report.uses)} patterns, samples as expected"]
    for use in report.uses.values():
        captures = " ".join(f"{name}={value}" for name, value in use.captures.items())
        slow = report.timeouts.get(use.pattern.id, 0)
        note = f"  (took too long on {slow} lines)" if slow else ""
        said.append(
            f"{use.hits:>8}  {use.pattern.id:<{width}}  {use.pattern.means.value:<16} {captures}{note}".rstrip()
        )
    for each in report.near_misses:
        said.append(f"near miss, line {each.line}: {_plain(each.text)}")
        said.append(f"    {f'like {each.pattern}: ' if each.pattern else ''}{each.problem}")
    if report.missed > len(report.near_misses):
        said.append(f"and {report.missed - len(report.near_misses)} more near misses")
    said.extend(f"unmatched, line {number}: {_plain(text)}" for number, text in report.unmatched)
    said.append(
        f"{report.log or 'samples'}: {report.lines} lines, {report.matched} matched, {report.ignored} ignored, "
        f"{report.missed} missed"
    )
    return "\n".join(said) + "\n"


def _plain(text: str) -> str:
    """``text`` without what could play tricks on a terminal; a binary log is full of it."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _count(report: PatternReport, number: int, reading: Reading, *, keep_unmatched: bool) -> None:
    report.lines += 1
    if reading.matched and reading.pattern is not None:
        report.matched += 1
        use = report.uses[reading.pattern]
        use.hits += 1
        if use.line is None:
            use.line, use.captures = number, _captures(use.pattern, reading.envelope)
        return
    if reading.near_miss:
        report.missed += 1
        if report.missed <= MAX_SHOWN:
            report.near_misses.append(_explained(report.profile, number, reading))
    if keep_unmatched:
        report.unmatched.append((number, reading.envelope.message[:MAX_EVIDENCE]))


def _captures(pattern: Pattern, envelope: Envelope) -> dict[str, str | int | float]:
    found = pattern.match(envelope)
    if found is None:  # matched a moment ago
        return {}
    stage = {} if pattern.stage_in(found) is None else {"stage": str(pattern.stage_in(found))}
    return {**stage, **read_fields(found.groupdict()).stated()}


def _explained(profile: Profile, number: int, reading: Reading) -> NearMiss:
    """Which pattern the line is most like, and where it parts from it."""
    message = reading.envelope.message[:MAX_EVIDENCE]
    if reading.problem is not None:
        return NearMiss(number, message, reading.pattern, f"matched, but {reading.problem}")
    open_to = [each for each in profile.patterns if not each.levels or reading.level in each.levels]
    best = max(open_to, key=lambda each: each.reach(message), default=None)
    reach = best.reach(message) if best is not None else 0
    return NearMiss(number, message, best.id if best is not None and reach else None, stopped_at(message, reach))


def _samples(profile: Profile) -> Iterator[bytes]:
    return (line.encode() for pattern in profile.patterns for line in pattern.samples)


def _lines(log: str, warnings: list[str]) -> Iterator[bytes]:
    """Every line of a log; the last one too where the log ends without a newline."""
    splitter = LineSplitter()
    with closing(_opened(log)) as source:
        for chunk in _chunks(log, source, warnings):
            yield from splitter.feed(chunk)
    if splitter.rest:
        yield splitter.rest


def _chunks(log: str, source: BufferedIOBase, warnings: list[str]) -> Iterable[bytes]:
    # read1, not read: where compressed data break off, read throws away what it had before it fails.
    try:
        while chunk := source.read1(_CHUNK):
            yield chunk
    except (OSError, EOFError, zlib.error) as error:
        warnings.append(f"{log}: reading ended early ({error}); what came before was read")


def _opened(log: str) -> BufferedIOBase:
    if log == "-":
        return cast("BufferedIOBase", sys.stdin.buffer)
    path = Path(log)
    try:
        with path.open("rb") as source:
            compressed = source.read(len(_GZIP)) == _GZIP
        return gzip.open(path) if compressed else path.open("rb")
    except OSError as error:
        problem = f"{log}: cannot be read ({error.strerror}); give the path of a recorded log, or - for stdin"
        raise ConfigError(problem) from error
