"""Says what pydantic found in words for the operator: the key as it is written, what is wrong, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from watcher.config_yaml import Place

_TYPES = {
    "string_type": "text",
    "int_type": "a whole number, without quotes",
    "bool_type": "true or false, without quotes",
    "list_type": "a list, one `- item` a line",
    "dict_type": "a section of `key: value` lines",
    "model_type": "a section of `key: value` lines",
}
_SECRET_KEYS = {"url"}  # may hold a password or a token: never repeated
_LONGEST_ECHO = 60


def shape_problems(error: ValidationError, shape: type[BaseModel]) -> Iterator[tuple[Place, str]]:
    """Where and what, for every problem of a configuration that is not of the ``shape``."""
    for each in error.errors(include_url=False):
        place = tuple(each["loc"])
        yield place, _words(each, place, shape)


def spell_place(place: Place) -> str:
    """A place as people write it: ``notify[0].url``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str:
    """Advice for an unknown word: the known one that is most like it, else all of them."""
    known = list(known)
    lower = {each.lower().replace("-", "_"): each for each in known}
    close = difflib.get_close_matches(word.lower().replace("-", "_"), lower, n=1, cutoff=0.6)
    if close:
        return f"did you mean {lower[close[0]]}?"
    return f"known are {', '.join(known)}"


def _words(error: ErrorDetails, place: Place, shape: type[BaseModel]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return f"is not a known key; {nearest(str(place[-1]), keys_at(place[:-1], shape))}"
        case "missing":
            return "is missing; add it"
        case "literal_error":
            wanted = error.get("ctx", {})["expected"].replace("'", "")
            return f"{_echo(error, place)}is not known here; write {wanted}"
        case "value_error":
            return f"{_echo(error, place)}{error.get('ctx', {})['error']}"
        case "greater_than_equal":
            return f"{_echo(error, place)}is too small; write {error.get('ctx', {})['ge']} or more"
        case "too_short" | "string_too_short":
            return "is empty; fill it or remove the key"
        case "string_pattern_mismatch":
            return f"{_echo(error, place)}is no name of a Kubernetes object; write lower-case letters, digits, - and ."
        case kind if kind in _TYPES:
            return f"{_echo(error, place)}must be {_TYPES[kind]}"
        case _:
            message = error["msg"]
            return f"{_echo(error, place)}{message[:1].lower()}{message[1:]}"


def _echo(error: ErrorDetails, place: Place) -> str:
    """The value as it was given, if that is short and no secret, so that people see what was understood."""
    value = error["input"]
    if _SECRET_KEYS & set(place) or not isinstance(value, str | int | float | None):
        return ""
    text = "null" if value is None else repr(value) if isinstance(value, str) else str(value).lower()
    return f"{text} " if len(text) <= _LONGEST_ECHO else ""


def keys_at(place: Place, shape: type[BaseModel]) -> list[str]:
    """The keys that are known in the section at ``place``."""
    here, chooses_one_of_many = shape, False
    for step in place:
        if chooses_one_of_many:
            chooses_one_of_many = False
            continue
        annotation = here.model_fields[str(step)].annotation
        here = _section(annotation) or here
        chooses_one_of_many = get_origin(annotation) in {list, dict}
    return list(here.model_fields)


def _section(annotation: object) -> type[BaseModel] | None:
    """The section that a key holds: itself, or each item of its list or mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _section(each)) is not None), None)
