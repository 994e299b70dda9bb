"""What the schema of a pattern file takes is read without it, and nothing else is."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from watcher.profile_files import shipped_folder
from watcher.profile_parts import read_parts
from watcher.profile_schema import PatternFile

FULL: dict[str, Any] = {
    "version": 1,
    "name": "own",
    "description": "All that there can be.",
    "applies_to": ">=1",
    "include": ["other.yaml"],
    "definitions": {"ID": "[a-z]+"},
    "advice": {"look": "Look there."},
    "anchors": ["progress"],
    "stages": [
        "other",
        {
            "name": "asset",
            "means": "Assets.",
            "filter": "Asset",
            "request": {"path": "/etl", "answers": ["ok"]},
            "rules": {
                "prints_start": True,
                "least": "quiet",
                "per_provider": True,
                "widens": False,
                "hourly": True,
                "quiet": "10m",
            },
        },
    ],
    "patterns": [
        {
            "id": "one",
            "means": "noted",
            "says": "One.",
            "regex": "one",
            "stage": "asset",
            "level": ["info", "error"],
            "advice": "look",
            "samples": [
                {
                    "line": "one",
                    "fields": {
                        "window": "a,b",
                        "coverage": "a,b",
                        "resolution": "1d",
                        "provider": "p",
                        "id": "i",
                        "rows_in": 1,
                        "rows_out": 2,
                        "seconds": 3,
                        "stage": "asset",
                    },
                },
                {"line": "two"},
            ],
            "counter_samples": ["three"],
        },
        {
            "id": "two",
            "means": "noted",
            "says": "Two.",
            "regex": "two",
            "stage": {"group": "id", "stages": {"A": "asset"}},
        },
    ],
}  # fmt: skip

ODD: list[Any] = [
    None, True, False, 0, 1, 1.0, -1, 2.5, 10**400, math.inf, b"abc", ("a",),
    "", "a", "a\n", "ab", "abc", "A", "ID", "\ud800", "\ud800bc", "µ", "/", "/a b", "/a\n", "info", "quiet",
    "10m", "0m", "10m\n", "\u0661m", [], [1], ["a"], ["abc"], [[]], [None], {}, {1: "a"}, {"a": "b"}, {"ID": "b"},
    {"a": 1}, {"group": "a", "stages": {}}, {"line": "a"}, {"line": None},
]  # fmt: skip


def _plain(value: Any) -> Any:
    """Either's answer in plain values, by name."""
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if hasattr(value, "_asdict"):
        return {name: _plain(each) for name, each in value._asdict().items()}
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _agree(raw: object) -> bool:
    """Whether the file is taken; both must say the same."""
    parts = read_parts(raw)
    try:
        shape = PatternFile.model_validate(raw)
    except ValidationError:
        assert parts is None
        return False
    assert _plain(parts) == _plain(shape)
    return True


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in inner:
        yield from _places(each, (*at, step))


PLACES = [place for place in _places(FULL) if place]


def _changed(place: tuple[Any, ...], change: str, value: object) -> Any:
    raw = copy.deepcopy(FULL)
    here: Any = raw
    for step in place[:-1]:
        here = here[step]
    if change == "drop":
        del here[place[-1]]
    elif change == "add" and isinstance(here, dict):
        here["more"] = value
    else:
        here[place[-1]] = copy.deepcopy(value)
    return raw


def test_the_full_file_and_every_shipped_one_are_read_as_the_schema_reads_them() -> None:
    assert _agree(FULL)
    files = sorted(shipped_folder().rglob("*.yaml"))
    assert files
    for file in files:
        assert _agree(yaml.safe_load(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_any_odd_value_at_any_place_is_taken_by_both_or_by_none(place: tuple[Any, ...]) -> None:
    for value in ODD:
        _agree(_changed(place, "put", value))
    _agree(_changed(place, "drop", None))
    _agree(_changed(place, "add", "x"))


@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(ODD)), min_size=1, max_size=3))
def test_several_odd_values_are_taken_by_both_or_by_none(changes: list[tuple[tuple[Any, ...], object]]) -> None:
    raw = copy.deepcopy(FULL)
    for place, value in changes:
        here: Any = raw
        for step in place[:-1]:
            here = here[step] if isinstance(here, dict | list) and step in _steps(here) else None
        if isinstance(here, dict | list) and place[-1] in _steps(here):
            here[place[-1]] = copy.deepcopy(value)
    _agree(raw)


def _steps(here: dict[Any, Any] | list[Any]) -> Any:
    return here.keys() if isinstance(here, dict) else range(len(here))


@pytest.mark.parametrize("raw", ODD, ids=repr)
def test_what_is_no_mapping_is_no_file(raw: object) -> None:
    assert not _agree(raw)
