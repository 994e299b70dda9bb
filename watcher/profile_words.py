"""The words for what is wrong with a pattern file: one line for each problem, at the place it is found."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean X?`` for the known word most like ``word``, else the list of them."""
    known = sorted(known)
    lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {lower[close[0]]}?"
    return f"; known are {', '.join(known)}" if known else ""


def shape_problems(raw: object) -> list[str]:
    """Every problem that pydantic finds, one line each: the place in the words of the file, and what is wrong."""
    from pydantic import ValidationError

    from watcher.profile_schema import PatternFile

    try:
        PatternFile.model_validate(raw)
    except ValidationError as error:
        return [f"{place(each['loc'], raw)}{_what(each)}" for each in error.errors(include_url=False)]
    return ["is no pattern file; compare it with the shipped ones"]  # the schema and ``profile_parts.py`` disagree


def place(loc: tuple[int | str, ...], raw: object) -> str:
    """``pattern NAME, sample 2, line: `` for a position in the file; parts are counted from 1."""
    said: list[str] = []
    steps = [step for step in loc if step not in {"fixed", "by group", "name", "definition"} or _holds(raw, step)]
    here = raw
    for at, step in enumerate(steps):
        here = _inside(here, step)
        if isinstance(step, int):
            noun = {"patterns": "pattern", "stages": "stage", "samples": "sample"}.get(
                str(steps[at - 1]), str(steps[at - 1])
            )
            name = _inside(here, "id") or _inside(here, "name")
            said[-1:] = [f"{noun} {name if isinstance(name, str) else step + 1}"]
        else:
            said.append(step)
    return f"{', '.join(said)}: " if said else ""


def _what(error: ErrorDetails) -> str:
    last = str(error["loc"][-1]) if error["loc"] else ""
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key {last!r}{nearest(last, _siblings(error['loc'][:-1]))}"
        case "missing":
            return "is missing; add it"
        case "literal_error":
            wanted = error["ctx"]["expected"]
            return f"{error['input']!r} is not known; write {wanted}"
        case "string_type":
            return f"must be text, not {error['input']!r}; put it in quotes"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            said = error["msg"]
            return f"{said[:1].lower()}{said[1:]}; got {str(error['input'])[:80]!r}"


def _siblings(loc: tuple[int | str, ...]) -> Iterable[str]:
    """The keys that are known at this position of the file."""
    from watcher import profile_schema as schema

    shapes: dict[int | str, type[schema.Shape]] = {
        "patterns": schema.PatternShape,
        "stages": schema.StageShape,
        "samples": schema.SampleShape,
        "fields": schema.FieldsShape,
        "request": schema.RequestShape,
        "rules": schema.RulesShape,
        "stage": schema.StageOf,
    }
    return next((shapes[step] for step in reversed(loc) if step in shapes), schema.PatternFile).model_fields


def _holds(raw: object, step: object) -> bool:
    return isinstance(raw, dict) and step in raw


def _inside(here: object, step: int | str) -> object:
    if isinstance(here, dict):
        return here.get(step)
    if isinstance(here, list) and isinstance(step, int) and step < len(here):
        return here[step]
    return None
