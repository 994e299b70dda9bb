"""Reads one YAML file and remembers on which line every key stands, so that a problem can be shown where it is."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from watcher.errors import ConfigError

LARGEST = 1 << 20  # bytes; a configuration is a page of text
MOST_VALUES = 100_000  # with every alias written out

Place = tuple[str | int, ...]  # the keys and indexes that lead to a value, as pydantic names it too


@dataclass(frozen=True, slots=True)
class Document:
    """What a YAML file says, where it says it, and what is wrong with it as YAML (``(place, words)``)."""

    path: Path
    value: dict[str, Any]
    lines: dict[Place, int]
    problems: list[tuple[Place, str]] = field(default_factory=list)

    def line(self, place: Place) -> int:
        """The line (from 1) of the key at ``place``, or of the nearest one above it that the file holds."""
        while place not in self.lines and place:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_document(path: Path) -> Document:
    """The mapping that a YAML file holds.

    Raises ConfigError with one line for a file that cannot be read or holds something else. Keys that stand twice are
    ``problems`` of the document.
    """
    text = _read_text(path)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            message = f"{path}:1: the file is empty; see config.example.yaml"
            raise ConfigError(message)
        if _count(node, {}) > MOST_VALUES:
            message = f"{path}:1: stands for more than {MOST_VALUES:,} values by its aliases; write fewer of them"
            raise ConfigError(message)
        value = loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none
        raise ConfigError(f"{path}:{_complaint(error)}") from error
    except RecursionError as error:
        message = f"{path}:1: nested too deeply; a configuration has four levels"
        raise ConfigError(message) from error
    if not isinstance(value, dict):
        message = f"{path}:{node.start_mark.line + 1}: holds no keys; write `key: value` lines, see config.example.yaml"
        raise ConfigError(message)
    document = Document(path, value, {(): node.start_mark.line + 1})
    for place, line, twice in _walk(node, (), frozenset()):
        if twice:
            first = document.lines[place]
            document.problems.append((place, f"stands twice, on line {first} and on line {line}; remove one"))
        document.lines[place] = line
    return document


class _Loader(yaml.SafeLoader):
    """Takes keys by their letters: ``on:`` is the key "on" here, not the truth."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping whose plain keys are text."""
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                key.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep=deep)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror or error}); give a readable file with --config"
        raise ConfigError(message) from error
    if len(content) > LARGEST:
        message = f"{path}: is larger than {LARGEST >> 20} MiB; this is no configuration"
        raise ConfigError(message)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"{path}:{line}: is not UTF-8 text; save it as UTF-8"
        raise ConfigError(message) from error


def _complaint(error: Exception) -> str:
    """``LINE: what is wrong`` for an error of the YAML parser."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark is not None else 1
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    said = " ".join(str(said).split())
    where = f"column {mark.column + 1}: " if mark is not None else ""
    return f"{line}: {where}is not valid YAML: {said}; check indentation, colons and quotes there"


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values there are below ``node`` when every alias is written out; an alias to what it lies in is one."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = 1
    if isinstance(node, yaml.MappingNode):
        known[id(node)] += sum(_count(each, known) for pair in node.value for each in pair)
    elif isinstance(node, yaml.SequenceNode):
        known[id(node)] += sum(_count(each, known) for each in node.value)
    return known[id(node)]


def _walk(node: yaml.Node, place: Place, above: frozenset[int]) -> Iterator[tuple[Place, int, bool]]:
    """Every key and item below ``node``: its place, its line, and whether its mapping has that key already."""
    if id(node) in above:  # an alias to something it lies in
        return
    above |= {id(node)}
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                inner = (*place, key.value)
                yield inner, key.start_mark.line + 1, key.value in seen
                seen.add(key.value)
                yield from _walk(value, inner, above)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            inner = (*place, index)
            yield inner, item.start_mark.line + 1, False
            yield from _walk(item, inner, above)
