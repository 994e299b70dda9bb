"""Profiles: which lines mean what, which stages there are, how each is asked for, and what proves a day done.

A profile is a pattern file with a name. Shipped ones are found by name, others by path. A file that fails its own
samples is not loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import regex

from watcher.core.plan import Evidence, StageRules
from watcher.errors import ConfigError
from watcher.pattern import Pattern
from watcher.profile_checks import check_samples
from watcher.profile_compile import Words, compile_pattern, gather
from watcher.profile_files import Bundle, find, read_bundle
from watcher.profile_parts import PatternPart, StagePart
from watcher.profile_regex import compiled_answer
from watcher.shipped import shipped_profiles

__all__ = ["Profile", "ProfileStage", "json_schema", "load_profile", "shipped_profiles"]


@dataclass(frozen=True, slots=True)
class ProfileStage:
    """One pipeline of a profile.

    ``path`` is asked for with GET and ``?window=``, behind the address of Kubecost (``/model`` is part of the
    address). The text of an accepting answer is found by one of ``answers``. ``filter`` is the word to grep the log
    for, ``means`` a sentence for people.
    """

    name: str
    rules: StageRules
    path: str
    answers: tuple[regex.Pattern[str], ...]
    filter: str
    means: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A loaded, proven profile. ``stages`` are in the order of the repair, ``patterns`` in the order they are tried.

    A line that holds one of ``anchors`` and is matched by no pattern is a near miss: it looks like progress in words
    that the profile does not know. ``file`` names where the profile came from, ``applies_to`` the Kubecost versions.
    """

    name: str
    description: str
    applies_to: str | None
    stages: tuple[ProfileStage, ...]
    patterns: tuple[Pattern, ...]
    anchors: tuple[str, ...]
    file: str

    def stage(self, name: str) -> ProfileStage:
        """The stage ``name``; KeyError where the profile has no such stage."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)


def load_profile(name_or_path: str) -> Profile:
    """Load a profile and prove it by its samples.

    ``name_or_path`` is a shipped name (``kubecost-1.99``) or the path of a file; that may include shipped fragments.
    Raises ``ConfigError`` with every problem, one line each: file, pattern, sample, what is wrong.
    """
    bundle = read_bundle(find(name_or_path))
    problems: list[str] = []
    words = gather(bundle, problems)
    stages = _stages(words, bundle.root.label, problems)
    patterns = _patterns(bundle, words, problems)
    if problems:
        raise ConfigError(*problems)
    shape = bundle.root.shape
    return Profile(
        name=shape.name or "",
        description=shape.description,
        applies_to=shape.applies_to,
        stages=stages,
        patterns=patterns,
        anchors=tuple(dict.fromkeys(anchor for source in bundle.sources for anchor in source.shape.anchors)),
        file=bundle.root.label,
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a pattern file, for editors."""
    from watcher import profile_schema

    return profile_schema.json_schema()


def _stages(words: Words, label: str, problems: list[str]) -> tuple[ProfileStage, ...]:
    stages = []
    for shape in (words.stages[name] for name in words.order if name in words.stages):
        answers = []
        for text in shape.request.answers:
            found: list[str] = []
            compiled = compiled_answer(text, found)
            problems.extend(f"{label}: stage {shape.name}, request, answers: {each}" for each in found)
            if compiled is not None:
                answers.append(compiled)
        stages.append(
            ProfileStage(shape.name, _rules(shape), shape.request.path, tuple(answers), shape.filter, shape.means)
        )
    return tuple(stages)


def _rules(shape: StagePart) -> StageRules:
    rules = shape.rules
    return StageRules(
        name=shape.name,
        prints_start=rules.prints_start,
        least=Evidence[rules.least.upper()],
        per_provider=rules.per_provider,
        widens=rules.widens,
        hourly=rules.hourly,
        quiet=rules.quiet,
    )


def _patterns(bundle: Bundle, words: Words, problems: list[str]) -> tuple[Pattern, ...]:
    """Compile and prove every pattern. Included files come first: what they know is never hidden by a later pattern."""
    compiled: list[tuple[Pattern, PatternPart]] = []
    seen: dict[str, str] = {}
    for source in bundle.sources:
        for shape in source.shape.patterns:
            where = f"{source.label}: pattern {shape.id}"
            if shape.id in seen:
                problems.append(f"{where}: there is another pattern of this id in {seen[shape.id]}; rename one of them")
                continue
            seen[shape.id] = source.label
            found: list[str] = []
            pattern = compile_pattern(shape, source.label, words, found)
            problems.extend(f"{where}: {each}" for each in found)
            if pattern is None and not shape.samples:
                problems.append(f"{where}: has no samples; add a line that it must match")
            if pattern is not None:
                compiled.append((pattern, shape))
    patterns = tuple(pattern for pattern, _ in compiled)
    for pattern, shape in compiled:
        problems.extend(f"{pattern.file}: {each}" for each in check_samples(pattern, shape, patterns))
    return patterns
