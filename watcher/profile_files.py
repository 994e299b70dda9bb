"""Finds pattern files, reads them with what they include, and puts them together. Their meaning is ``profile.py``'s."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.resolver import Resolver

from watcher import shipped
from watcher.errors import ConfigError
from watcher.profile_parts import FileParts, read_parts
from watcher.profile_words import nearest, shape_problems
from watcher.shipped import shipped_profiles

_CParser: Any = getattr(yaml, "cyaml").CParser if yaml.__with_libyaml__ else yaml.parser.Parser  # noqa: B009

_SUFFIXES = {".yaml", ".yml"}
_MAX_BYTES = 4 << 20  # a pattern file is some pages of text; anything larger is not one


@dataclass(frozen=True, slots=True)
class Source:
    """One pattern file as read: ``label`` names it in messages."""

    label: str
    path: Path
    shape: FileParts


@dataclass(slots=True)
class Bundle:
    """A profile's file and everything it includes, each once, the included before the including."""

    root: Source
    sources: list[Source] = field(default_factory=list)


def shipped_folder() -> Path:
    """Where the shipped pattern files are."""
    return Path(shipped.shipped_folder())


def find(name_or_path: str) -> Path:
    """The file of a profile: the shipped one of that name, else the path. Raises ``ConfigError``."""
    if name_or_path in shipped_profiles():
        return shipped_folder() / f"{name_or_path}.yaml"
    path = Path(name_or_path)
    if path.suffix not in _SUFFIXES and len(path.parts) == 1 and not path.exists():
        problem = f"profile {name_or_path}: there is no such profile{nearest(name_or_path, shipped_profiles())}"
        raise ConfigError(problem)
    return path


def read_bundle(path: Path) -> Bundle:
    """Read a file and all its includes. Raises ``ConfigError`` with every problem of every file."""
    problems: list[str] = []
    sources: dict[Path, Source] = {}
    root = _read_into(path, (), sources, problems)
    if problems or root is None:
        raise ConfigError(*problems)
    return Bundle(root, list(sources.values()))


def _read_into(path: Path, chain: tuple[Path, ...], sources: dict[Path, Source], problems: list[str]) -> Source | None:
    real = path.resolve()
    if real in sources:
        return sources[real]
    label = _label(path)
    shape = _read_shipped(real, real.stat().st_mtime_ns) if _is_shipped(real) else None
    shape = shape or _read_one(path, label, problems)
    if shape is None:
        return None
    source = Source(label, path, shape)
    for name in shape.include:
        included = _included(name, path)
        if included is None:
            problems.append(
                f"{label}: include {name}: no such file, neither beside this one nor among the shipped ones"
            )
        elif included.resolve() in {*chain, real}:
            rounds = " -> ".join(_label(each) for each in (*chain, real, included.resolve()))
            problems.append(f"{label}: include {name}: the files include each other in a circle: {rounds}")
        else:
            _read_into(included, (*chain, real), sources, problems)
    sources.setdefault(real, source)
    return source


def _included(name: str, by: Path) -> Path | None:
    for folder in (by.parent, shipped_folder()):
        if (folder / name).is_file():
            return folder / name
    return None


def _label(path: Path) -> str:
    """How messages call a file: shipped ones from ``patterns/`` on, others as they were given."""
    real = path.resolve()
    return f"patterns/{real.relative_to(shipped_folder().resolve())}" if _is_shipped(real) else str(path)


def _is_shipped(real: Path) -> bool:
    return real.is_file() and real.is_relative_to(shipped_folder().resolve())


@lru_cache(maxsize=64)
def _read_shipped(path: Path, changed: int) -> FileParts | None:  # noqa: ARG001  a file that changed is another
    """A shipped file, for profiles share most of theirs; None where anything is wrong with it."""
    problems: list[str] = []
    shape = _read_one(path, "", problems)
    return shape if not problems else None


def _read_one(path: Path, label: str, problems: list[str]) -> FileParts | None:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError as error:
        problems.append(
            f"{label}: cannot be read: {error.strerror or error}; give a shipped profile or a readable file"
        )
        return None
    if len(text) > _MAX_BYTES:
        problems.append(f"{label}: is larger than {_MAX_BYTES >> 20} MiB; this is no pattern file")
        return None
    try:
        raw = _load(text.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        problems.append(f"{label}: {_yaml_problem(error)}")
        return None
    if not isinstance(raw, dict):
        problems.append(f"{label}: holds no pattern file; it must be a mapping with version, description, patterns")
        return None
    parts = read_parts(raw)
    if parts is None:
        problems.extend(f"{label}: {each}" for each in shape_problems(raw))
    return parts


def _load(text: str) -> object:
    """What the text holds. It is read again where anything is wrong: Python's own parser has the better words."""
    if yaml.__with_libyaml__:
        with suppress(yaml.YAMLError, RecursionError, ValueError):
            return yaml.load(text, Loader=_QuickLoader)  # noqa: S506  made of parts of the safe loader
    return yaml.load(text, Loader=_Loader)  # noqa: S506  likewise


def _yaml_problem(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: not valid YAML: {error.problem or error.context}"
    return f"not valid YAML: {' '.join(str(error).split())}"


class _UniqueKeys(yaml.constructor.SafeConstructor):
    """YAML where a key that stands twice is an error: the second one would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping. Raises ``yaml.constructor.ConstructorError`` for a repeated key."""
        for key, mark in self._repeated(node):
            problem = f"the key {key!r} stands twice"
            raise yaml.constructor.ConstructorError(None, None, problem, mark)
        return super().construct_mapping(node, deep=deep)

    @staticmethod
    def _repeated(node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Mark]]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    yield key.value, key.start_mark
                seen.add(key.value)


class _Loader(_UniqueKeys, yaml.SafeLoader):
    """For what is wrong with a file: its messages are good."""


class _QuickLoader(_UniqueKeys, Composer, _CParser, Resolver):  # type: ignore[misc]
    """Libyaml's parser, six times as fast, under Python's composer: the one of libyaml crashes in a deep nesting."""

    def __init__(self, text: str) -> None:
        _CParser.__init__(self, text)
        Composer.__init__(self)
        _UniqueKeys.__init__(self)
        Resolver.__init__(self)
