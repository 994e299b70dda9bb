"""A pattern file proves itself: its samples match as they say, and only where they should. Checked at every load."""

from __future__ import annotations

from collections.abc import Sequence

from watcher.core.envelopes import Envelope, unwrap
from watcher.core.facts import FieldError
from watcher.pattern import Pattern, stopped_at
from watcher.profile_parts import FieldsPart, PatternPart

_TIMEOUT = 1.0  # seconds for one pattern on one sample


def check_samples(pattern: Pattern, shape: PatternPart, patterns: Sequence[Pattern]) -> list[str]:
    """What the samples of one pattern disprove, one line each. ``patterns`` are all of the profile, this one too."""
    where = f"pattern {pattern.id}"
    problems: list[str] = []
    if not shape.samples:
        problems.append(f"{where}: has no samples; add a line that it must match")
    for number, sample in enumerate(shape.samples, start=1):
        envelope = unwrap(sample.line)
        found = _check_sample(pattern, envelope, sample.fields, patterns)
        problems.extend(f"{where}, sample {number}: {problem}" for problem in found)
    for number, line in enumerate(shape.counter_samples, start=1):
        if _matches(pattern, unwrap(line)):
            problems.append(f"{where}, counter-sample {number}: is matched, and must not be; make the regex stricter")
    return problems


def _check_sample(pattern: Pattern, envelope: Envelope, expected: FieldsPart, patterns: Sequence[Pattern]) -> list[str]:
    values, why_not = _values(pattern, envelope)
    if values is None:
        return [why_not]
    problems = _compare(expected.stated(), values)
    others = [each for each in patterns if each is not pattern and _matches(each, envelope)]
    problems.extend(
        f"is matched by pattern {other.id} ({other.file}) too; a line must have one meaning" for other in others
    )
    return problems


def _matches(pattern: Pattern, envelope: Envelope) -> bool:
    if pattern.literal is not None and pattern.literal not in envelope.message:
        return False
    try:
        found = pattern.match(envelope, _TIMEOUT)
    except TimeoutError:
        return False
    return found is not None and _values(pattern, envelope)[0] is not None


def _values(pattern: Pattern, envelope: Envelope) -> tuple[dict[str, str | int | float] | None, str]:
    """What the pattern reads in the line; None, and why, where it does not match."""
    try:
        found = pattern.match(envelope, _TIMEOUT)
        if found is None:
            return None, _why_not(pattern, envelope)
        values = pattern.fields(found).stated()
    except TimeoutError:
        return None, f"matching took longer than {_TIMEOUT:g} s; make the regex simpler"
    except FieldError as error:
        return None, f"is matched, but {error}"
    if pattern.stage_group is not None:
        stage = pattern.stage_in(found)
        if stage is None:
            group = found[pattern.stage_group]
            return None, f"is matched, but the group {pattern.stage_group!r} holds {group!r}, which names no stage"
        values["stage"] = stage
    return values, ""


def _why_not(pattern: Pattern, envelope: Envelope) -> str:
    if pattern.levels and envelope.level not in pattern.levels:
        stated = f"its level is {envelope.level}" if envelope.level else "it states no level"
        return f"is not matched: {stated}, the pattern wants {' or '.join(sorted(pattern.levels))}"
    return f"is not matched; {stopped_at(envelope.message, pattern.reach(envelope.message))}"


def _compare(expected: dict[str, str | int | float], actual: dict[str, str | int | float]) -> list[str]:
    problems = []
    for name in {**expected, **actual}:
        if name not in actual:
            problems.append(f"field {name}: expected {expected[name]!r}, but nothing was captured")
        elif name not in expected:
            problems.append(f"field {name}: captured {actual[name]!r}, which the sample does not expect")
        elif expected[name] != actual[name]:
            problems.append(f"field {name}: expected {expected[name]!r}, captured {actual[name]!r}")
    return problems
