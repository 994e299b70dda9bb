"""The query of a log request, read and refused the way an API server does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from watcher.simulator.framing import NANO
from watcher.simulator.status import Refusal

LAYOUT = "2006-01-02T15:04:05Z07:00"
_PARTS = (
    ("2006", r"\d{4}"), ("-", "-"), ("01", r"\d\d"), ("-", "-"), ("02", r"\d\d"), ("T", "T"),
    ("15", r"\d\d"), (":", ":"), ("04", r"\d\d"), (":", ":"), ("05", r"\d\d(?:[.,]\d+)?"),
    ("Z07:00", r"Z|[+-]\d\d:\d\d"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What a log request asks for. ``since`` is in nanoseconds since 1970, a whole second."""

    container: str | None = None
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since: int | None = None
    tail: int | None = None
    limit: int | None = None


def log_options(query: Mapping[str, str], pod: str, now: int) -> LogOptions:
    """The options in ``query``; unknown names are ignored. ``now``: nanoseconds, for ``sinceSeconds``.

    Raises a ``Refusal``: 400 for what can't be read, 422 for what is not allowed.
    """
    since_time = _since_time(query.get("sinceTime", ""))
    since_seconds, tail, limit = (_integer(query, name) for name in ("sinceSeconds", "tailLines", "limitBytes"))
    wrong = []
    if since_time is not None and since_seconds is not None:
        wrong.append("[]: Forbidden: at most one of sinceTime or sinceSeconds may be specified")
    for name, value, least in (("sinceSeconds", since_seconds, 1), ("tailLines", tail, 0), ("limitBytes", limit, 1)):
        if value is not None and value < least:
            allowed = "greater than 0" if least else "greater than or equal to 0"
            wrong.append(f"{name}: Invalid value: {value}: must be {allowed}")
    if "stream" in query:
        wrong.append("stream: Forbidden: may not be specified")
    if wrong:
        listed = wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]"
        raise Refusal(422, f'PodLogOptions "{pod}" is invalid: {listed}')
    since = since_time if since_seconds is None else now - since_seconds * NANO
    return LogOptions(
        container=query.get("container") or None,
        follow=_truth(query, "follow"),
        previous=_truth(query, "previous"),
        timestamps=_truth(query, "timestamps"),
        since=since,
        tail=tail,
        limit=limit,
    )


def _truth(query: Mapping[str, str], name: str) -> bool:
    """Go's lenient reading: whatever is not clearly a no is a yes."""
    return name in query and query[name].lower() not in {"false", "0", "f", "no"}


def _integer(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not re.fullmatch(r"[+-]?\d+", text):
        raise Refusal(400, f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _since_time(text: str) -> int | None:
    """Nanoseconds of an RFC 3339 time, its fraction cut off: what the API server hands on to the kubelet."""
    if not text:
        return None
    rest = text
    for element, pattern in _PARTS:
        match = re.match(pattern, rest)
        if match is None:
            raise Refusal(400, f'parsing time "{text}" as "{LAYOUT}": cannot parse "{rest}" as "{element}"')
        rest = rest[match.end() :]
    if rest:
        raise Refusal(400, f'parsing time "{text}": extra text: "{rest}"')
    moment = re.sub(r"[.,]\d+", "", text)
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        raise Refusal(400, f'parsing time "{text}": value out of range') from None
    return (parsed - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * NANO
