"""From records to the bytes of an answer, with the quirks of the kubelet."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import lru_cache

from watcher.simulator.records import Record

NANO = 1_000_000_000


@lru_cache(maxsize=256)
def _second(seconds: int, zone_minutes: int) -> tuple[str, str]:
    zone = timezone(timedelta(minutes=zone_minutes))
    sign = "-" if zone_minutes < 0 else "+"
    hours, minutes = divmod(abs(zone_minutes), 60)
    offset = f"{sign}{hours:02d}:{minutes:02d}" if zone_minutes else "Z"
    return datetime.fromtimestamp(seconds, zone).strftime("%Y-%m-%dT%H:%M:%S"), offset


def stamp_text(stamp: int, zone_minutes: int = 0) -> str:
    """``stamp`` (ns since 1970) as the kubelet prints it: always nine digits; ``Z`` or the node's own offset."""
    text, offset = _second(stamp // NANO, zone_minutes)
    return f"{text}.{stamp % NANO:09d}{offset}"


class Framing:
    """Joins records to lines.

    One flag says whether the next record begins a line; it is shared by stdout and stderr, and kept up by records that
    ``since`` hides. So a line may lose its stamp, and two lines may be glued, just as with a real kubelet.
    """

    def __init__(self, *, timestamps: bool, since: int | None, limit: int | None, zone_minutes: int = 0) -> None:
        self._timestamps = timestamps
        self._since = since
        self._left = limit
        self._zone_minutes = zone_minutes
        self._new_line = True

    @property
    def exhausted(self) -> bool:
        """True when ``limitBytes`` bytes were given out."""
        return self._left == 0

    def frame(self, record: Record) -> bytes:
        """The bytes for this record; none when it is too old."""
        content = record.content
        begins = self._new_line
        self._new_line = not content or content.endswith(b"\n")
        if self._since is not None and record.stamp < self._since:
            return b""
        if self._timestamps and begins:
            content = stamp_text(record.stamp, self._zone_minutes).encode() + b" " + content
        if self._left is not None:
            content = content[: self._left]
            self._left -= len(content)
        return content
