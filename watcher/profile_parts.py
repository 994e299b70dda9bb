"""The parts of a pattern file as values, read without pydantic: to load that takes as long as 100 MB of log.

``read_parts`` takes what ``profile_schema.py`` takes and nothing else (a test compares the two). It does not say what
is wrong: whoever gets None asks the schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_DEFINITION = re.compile(r"[A-Z][A-Z0-9_]*")
_PATH = re.compile(r"/[^\s?#]*")
_DURATION = re.compile(r"([1-9]\d{0,5})([smhd])", re.ASCII)
_UNIT = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LEVELS = ("trace", "debug", "info", "warning", "error", "fatal")
_EVIDENCE = ("quiet", "next_started", "window_done", "repair_ended")


class FieldsPart(NamedTuple):
    """The fields that a sample's line must yield: exactly these, with these values."""

    window: str | None = None
    coverage: str | None = None
    resolution: str | None = None
    provider: str | None = None
    id: str | None = None
    rows_in: int | None = None
    rows_out: int | None = None
    seconds: float | None = None
    stage: str | None = None

    def stated(self) -> dict[str, str | int | float]:
        """The fields that have a value."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class SamplePart(NamedTuple):
    """A whole log line that the pattern must match."""

    line: str
    fields: FieldsPart = FieldsPart()


class StageOf(NamedTuple):
    """The stage is told by a captured group."""

    group: str
    stages: Mapping[str, str]


class PatternPart(NamedTuple):
    """One kind of log line."""

    id: str
    means: str
    says: str
    regex: str
    stage: str | StageOf | None = None
    level: tuple[str, ...] = ()
    advice: str | None = None
    samples: tuple[SamplePart, ...] = ()
    counter_samples: tuple[str, ...] = ()


class RequestPart(NamedTuple):
    """How a repair is asked for."""

    path: str
    answers: tuple[str, ...]


class RulesPart(NamedTuple):
    """What proves a day done in this pipeline."""

    prints_start: bool
    least: str
    per_provider: bool = False
    widens: bool = False
    hourly: bool = False
    quiet: timedelta | None = None


class StagePart(NamedTuple):
    """One pipeline that can be repaired."""

    name: str
    means: str
    filter: str
    request: RequestPart
    rules: RulesPart


class FileParts(NamedTuple):
    """A pattern file."""

    version: int
    description: str
    name: str | None = None
    applies_to: str | None = None
    include: tuple[str, ...] = ()
    definitions: Mapping[str, str] = {}
    advice: Mapping[str, str] = {}
    anchors: tuple[str, ...] = ()
    stages: tuple[str | StagePart, ...] = ()
    patterns: tuple[PatternPart, ...] = ()


def read_parts(raw: object) -> FileParts | None:
    """The parts of a file as YAML gave it; None where anything in it is not as the schema wants it."""
    try:
        return _file(raw)
    except _UnsoundError:
        return None


class _UnsoundError(Exception):
    """Something is not as the schema wants it."""


_Reader = Callable[[Any], T]


def _kind(kind: type[T]) -> _Reader[T]:
    def read(raw: Any) -> T:  # noqa: ANN401  anything that YAML can hold
        if not isinstance(raw, kind) or (isinstance(raw, bool) and kind is not bool):
            raise _UnsoundError
        return raw

    return read


def _of(*words: str | int) -> _Reader[Any]:
    def read(raw: Any) -> Any:  # noqa: ANN401
        if not isinstance(raw, str | int | float) or raw not in words:
            raise _UnsoundError
        return words[words.index(raw)]

    return read


def _at_least(least: int) -> _Reader[str]:
    def read(raw: Any) -> str:  # noqa: ANN401
        if len(_text(raw)) < least or not _is_unicode(raw):
            raise _UnsoundError
        return str(raw)

    return read


def _like(expression: re.Pattern[str]) -> _Reader[str]:
    def read(raw: Any) -> str:  # noqa: ANN401
        if expression.fullmatch(_text(raw)) is None or not _is_unicode(raw):
            raise _UnsoundError
        return str(raw)

    return read


def _or_none(reader: _Reader[T]) -> _Reader[T | None]:
    return lambda raw: None if raw is None else reader(raw)


def _list(reader: _Reader[T], least: int = 0) -> _Reader[tuple[T, ...]]:
    def read(raw: Any) -> tuple[T, ...]:  # noqa: ANN401
        if not isinstance(raw, list) or len(raw) < least:
            raise _UnsoundError
        return tuple(reader(each) for each in raw)

    return read


def _dict(key: _Reader[str], value: _Reader[str], least: int = 0) -> _Reader[dict[str, str]]:
    def read(raw: Any) -> dict[str, str]:  # noqa: ANN401
        if not isinstance(raw, dict) or len(raw) < least:
            raise _UnsoundError
        return {key(each): value(said) for each, said in raw.items()}

    return read


def _part(made: Callable[..., T], **readers: _Reader[Any]) -> _Reader[T]:
    def read(raw: Any) -> T:  # noqa: ANN401
        if not isinstance(raw, dict) or not raw.keys() <= readers.keys():
            raise _UnsoundError
        try:
            return made(**{name: readers[name](said) for name, said in raw.items()})
        except TypeError:  # one is missing
            raise _UnsoundError from None

    return read


def _number(raw: Any) -> float:  # noqa: ANN401
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise _UnsoundError
    try:
        return float(raw)
    except OverflowError:
        raise _UnsoundError from None


def _duration(raw: Any) -> timedelta:  # noqa: ANN401
    found = _DURATION.fullmatch(_text(raw))
    if found is None:
        raise _UnsoundError
    return timedelta(**{_UNIT[found[2]]: int(found[1])})


def _is_unicode(text: str) -> bool:
    """False where it holds half a character, as an escape in YAML can write it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _stage_reference(raw: Any) -> str | StageOf:  # noqa: ANN401
    return _stage_of(raw) if isinstance(raw, dict) else _text(raw)


def _stage_item(raw: Any) -> str | StagePart:  # noqa: ANN401
    return raw if isinstance(raw, str) else _stage(raw)


_text, _flag, _count = _kind(str), _kind(bool), _or_none(_kind(int))
_words = _list(_text)
_name, _sentence, _maybe = _like(_NAME), _at_least(1), _or_none(_text)

_fields = _part(
    FieldsPart,
    window=_maybe,
    coverage=_maybe,
    resolution=_maybe,
    provider=_maybe,
    id=_maybe,
    rows_in=_count,
    rows_out=_count,
    seconds=_or_none(_number),
    stage=_maybe,
)
_stage_of = _part(StageOf, group=_text, stages=_dict(_text, _text, 1))
_pattern = _part(
    PatternPart,
    id=_name,
    means=_text,
    says=_sentence,
    regex=_sentence,
    stage=_or_none(_stage_reference),
    level=_list(_of(*_LEVELS)),
    advice=_maybe,
    samples=_list(_part(SamplePart, line=_text, fields=_fields)),
    counter_samples=_words,
)
_rules = _part(
    RulesPart,
    prints_start=_flag,
    least=_of(*_EVIDENCE),
    per_provider=_flag,
    widens=_flag,
    hourly=_flag,
    quiet=_or_none(_duration),
)
_stage = _part(
    StagePart,
    name=_name,
    means=_sentence,
    filter=_sentence,
    request=_part(RequestPart, path=_like(_PATH), answers=_list(_text, 1)),
    rules=_rules,
)
_file = _part(
    FileParts,
    version=_of(1),
    description=_sentence,
    name=_or_none(_name),
    applies_to=_maybe,
    include=_words,
    definitions=_dict(_like(_DEFINITION), _text),
    advice=_dict(_text, _sentence),
    anchors=_list(_at_least(3)),
    stages=_list(_stage_item),
    patterns=_list(_pattern),
)
