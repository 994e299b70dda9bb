"""The shape of a pattern file.

A pattern file is a profile (it has a ``name``) or a fragment that profiles include. Both have the same shape, so that a
profile of your own may include a shipped one and add to it.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

_DURATION = re.compile(r"([1-9]\d{0,5})([smhd])", re.ASCII)
_UNIT = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]*$")]
Sentence = Annotated[str, Field(min_length=1)]


def _duration(value: object) -> object:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        message = "write a duration like 90s, 10m, 2h or 1d"
        raise ValueError(message)
    return timedelta(**{_UNIT[found[2]]: int(found[1])})


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration, json_schema_input_type=Annotated[str, Field(pattern=r"^[1-9]\d{0,5}[smhd]$")]),
]


class Shape(BaseModel):
    """What all parts of a pattern file have in common: unknown keys are errors, types are not bent."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FieldsShape(Shape):
    """The fields that a sample's line must yield: exactly these, with these values."""

    window: str | None = Field(None, description="START,END in RFC 3339 UTC, from the groups start and end")
    coverage: str | None = Field(None, description="START,END, from the groups cov_start and cov_end")
    resolution: str | None = Field(None, description="1d or 1h")
    provider: str | None = Field(None, description="the key of a cloud integration")
    id: str | None = Field(None, description="the id that the line carries")
    rows_in: int | None = Field(None, description="rows before")
    rows_out: int | None = Field(None, description="rows after")
    seconds: float | None = Field(None, description="the duration from the group took, in seconds")
    stage: str | None = Field(None, description="only where the pattern maps a captured group to stages")


class SampleShape(Shape):
    """A whole log line, with or without envelope, that the pattern must match."""

    line: str
    fields: FieldsShape = FieldsShape()


class StageOf(Shape):
    """The stage is told by a captured group: ``{group: kind, stages: {Asset: asset}}``."""

    group: str
    stages: dict[str, str] = Field(min_length=1)


def _stage_kind(value: object) -> str:
    return "by group" if isinstance(value, (dict, StageOf)) else "fixed"


StageReference = Annotated[
    Annotated[str, Tag("fixed")] | Annotated[StageOf, Tag("by group")], Discriminator(_stage_kind)
]


class PatternShape(Shape):
    """One kind of log line."""

    id: Name
    means: str = Field(description="what the line means: one of the meanings in docs and core/events.py")
    says: Sentence = Field(description="one sentence for people")
    regex: str = Field(
        min_length=1, description="searched in the message, the envelope removed; %{NAME} is a definition"
    )
    stage: StageReference | None = Field(None, description="whose pipeline writes the line")
    level: list[Literal["trace", "debug", "info", "warning", "error", "fatal"]] = Field(
        [], description="only lines that state one of these levels; empty: any line"
    )
    advice: str | None = Field(None, description="the name of an advice, shown with the reason")
    samples: list[SampleShape] = []
    counter_samples: list[str] = Field([], description="whole log lines that the pattern must not match")


class RequestShape(Shape):
    """How a repair is asked for: GET path?window=START,END."""

    path: str = Field(pattern=r"^/[^\s?#]*$", description="without /model")
    answers: list[str] = Field(
        min_length=1, description="regexes, one of which the answer's text holds if it was accepted"
    )


class RulesShape(Shape):
    """What proves a day done in this pipeline."""

    prints_start: bool = Field(description="the pipeline prints a start line, and nothing counts before it")
    least: Literal["quiet", "next_started", "window_done", "repair_ended"] = Field(
        description="the weakest evidence that makes a day done"
    )
    per_provider: bool = Field(default=False, description="a day is done when every known provider covers it")
    widens: bool = Field(default=False, description="works on more than was asked for, or on several days at once")
    hourly: bool = Field(default=False, description="there is an hourly store besides the daily one")
    quiet: Duration | None = Field(None, description="the pipeline's own patience of quiet")


class StageShape(Shape):
    """One pipeline that can be repaired."""

    name: Name
    means: Sentence = Field(description="one sentence for people: what the stage repairs")
    filter: str = Field(min_length=1, description="the word to grep the log for")
    request: RequestShape
    rules: RulesShape


def _stage_item_kind(value: object) -> str:
    return "name" if isinstance(value, str) else "definition"


StageItem = Annotated[
    Annotated[str, Tag("name")] | Annotated[StageShape, Tag("definition")], Discriminator(_stage_item_kind)
]


class PatternFile(Shape):
    """A pattern file of the watcher."""

    version: Literal[1]
    name: Name | None = Field(None, description="makes the file a profile")
    description: Sentence
    applies_to: str | None = Field(None, description="the range of Kubecost versions, for people")
    include: list[str] = Field([], description="other pattern files: beside this one, or shipped")
    definitions: dict[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")], str] = Field(
        {}, description="sub-patterns, used as %{NAME} or, captured, %{NAME:group}"
    )
    advice: dict[str, Sentence] = Field({}, description="what a person should look at, by name")
    anchors: list[Annotated[str, Field(min_length=3)]] = Field(
        [], description="words of progress lines: a line with one of them that nothing matches is a near miss"
    )
    stages: list[StageItem] = Field(
        [], description="in order: names of stages defined in an included file, or definitions"
    )
    patterns: list[PatternShape] = []


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a pattern file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **PatternFile.model_json_schema()}
