"""From the patterns of a file to compiled ones: definitions put in, names looked up, groups checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import regex

from watcher.core.events import Meaning
from watcher.pattern import KNOWN_GROUPS, Pattern
from watcher.profile_files import Bundle
from watcher.profile_parts import PatternPart, StageOf, StagePart
from watcher.profile_regex import compile_regex, usable_definition
from watcher.profile_words import nearest

_PAIRS = (("start", "end"), ("cov_start", "cov_end"))
_NEEDS_WINDOW = frozenset(Meaning) - {Meaning.TROUBLE, Meaning.PROCESS_STARTED, Meaning.NOTED}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Words:
    """Everything that patterns may call by name, of a profile with all its included files."""

    definitions: Mapping[str, str]
    advice: Mapping[str, str]
    stages: Mapping[str, StagePart]
    order: tuple[str, ...]
    broken: frozenset[str]  # definitions that cannot be used; said once, not again for every pattern that uses them


def gather(bundle: Bundle, problems: list[str]) -> Words:
    """Collect the names that the files define; a name that two files define is a problem."""
    definitions: dict[str, str] = {}
    advice: dict[str, str] = {}
    stages: dict[str, StagePart] = {}
    order: list[str] = []
    for source in bundle.sources:
        shape = source.shape
        _join("definition", definitions, shape.definitions, source.label, problems)
        _join("advice", advice, shape.advice, source.label, problems)
        own = {item.name: item for item in shape.stages if isinstance(item, StagePart)}
        _join("stage", stages, own, source.label, problems)
        if shape.name is not None and shape.stages:
            order = [item if isinstance(item, str) else item.name for item in shape.stages]
    label = bundle.root.label
    if bundle.root.shape.name is None:
        problems.append(f"{label}: name: is missing; a profile needs one, a file without is a fragment to be included")
    elif not order:
        problems.append(f"{label}: stages: is empty; name the stages in the order of the repair")
    unknown = dict.fromkeys(name for name in order if name not in stages)
    problems.extend(f"{label}: stages: no file defines stage {name!r}{nearest(name, stages)}" for name in unknown)
    twice = sorted({name for name in order if order.count(name) > 1})
    problems.extend(f"{label}: stages: {name!r} stands there twice; a stage runs once" for name in twice)
    broken: set[str] = set()
    for name in definitions:
        found: list[str] = []
        if not usable_definition(name, definitions, found):
            broken.add(name)
            problems.extend(f"{label}: definition {name}: {each}" for each in found)
    return Words(definitions, advice, stages, tuple(dict.fromkeys(order)), frozenset(broken))


def compile_pattern(shape: PatternPart, file: str, words: Words, problems: list[str]) -> Pattern | None:
    """Compile one pattern; None, and the reasons in ``problems``, where it cannot be used."""
    before = len(problems)
    compiled = compile_regex(shape.regex, words.definitions, words.broken, problems)
    means = _meaning(shape.means, problems)
    if compiled is not None:
        _check_groups(shape, compiled, problems)
        if means is not None:
            _check_needs(shape, means, compiled, problems)
    strangers = (name for name in _named_stages(shape) if name not in words.stages)
    problems.extend(f"stage {name!r} is not known{nearest(name, words.stages)}" for name in strangers)
    if shape.advice is not None and shape.advice not in words.advice:
        problems.append(f"advice {shape.advice!r} is not known{nearest(shape.advice, words.advice)}")
    if len(problems) > before or compiled is None or means is None:
        return None
    return Pattern(
        id=shape.id,
        means=means,
        says=shape.says,
        expression=compiled,
        file=file,
        stage=shape.stage if isinstance(shape.stage, str) else None,
        stage_group=shape.stage.group if isinstance(shape.stage, StageOf) else None,
        stage_of=shape.stage.stages if isinstance(shape.stage, StageOf) else {},
        levels=frozenset(shape.level),
        advice=words.advice[shape.advice] if shape.advice is not None else None,
        listed=frozenset(words.order),
        samples=tuple(sample.line for sample in shape.samples),
    )


def _join(kind: str, into: dict[str, T], names: Mapping[str, T], label: str, problems: list[str]) -> None:
    for name, value in names.items():
        if name in into:
            problems.append(f"{label}: {kind} {name}: is defined by another included file too; rename one of them")
        else:
            into[name] = value


def _meaning(name: str, problems: list[str]) -> Meaning | None:
    try:
        return Meaning(name)
    except ValueError:
        problems.append(f"means {name!r} is not known{nearest(name, [each.value for each in Meaning])}")
        return None


def _named_stages(shape: PatternPart) -> tuple[str, ...]:
    if isinstance(shape.stage, StageOf):
        return tuple(dict.fromkeys(shape.stage.stages.values()))
    return () if shape.stage is None else (shape.stage,)


def _check_groups(shape: PatternPart, compiled: regex.Pattern[str], problems: list[str]) -> None:
    groups = set(compiled.groupindex)
    own = shape.stage.group if isinstance(shape.stage, StageOf) else None
    if own is not None and own not in groups:
        problems.append(f"stage: the regex has no group {own!r}{nearest(own, groups)}")
    problems.extend(
        f"regex: no field knows the group {name!r}{nearest(name, KNOWN_GROUPS)}"
        for name in sorted(groups - KNOWN_GROUPS - {own})
    )
    for first, second in _PAIRS:
        lacking = {first, second} - groups
        if len(lacking) == 1:
            problems.append(f"regex: lacks the group {lacking.pop()!r}; {first} and {second} belong together")


def _check_needs(shape: PatternPart, means: Meaning, compiled: regex.Pattern[str], problems: list[str]) -> None:
    if means not in _NEEDS_WINDOW:
        return
    if not {"start", "end"} & set(compiled.groupindex):
        problems.append(f"regex: lacks the groups 'start' and 'end'; {means.value} is always about a window")
    if shape.stage is None:
        problems.append(f"stage: is missing; {means.value} is always about a stage")
