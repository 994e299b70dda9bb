"""A look at the newest line of a log over a connection of its own: the second truth beside the open stream."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from watcher.cluster.api import Trouble
from watcher.cluster.intake import is_kubelet_error
from watcher.cluster.setting import Setting
from watcher.core.lines import SECOND, LineSplitter, split_stamp
from watcher.core.resume import Key, key_of

SHORTEST_SPLIT: Final = 4096  # bytes; runtimes cut lines into pieces of 16 KiB, none of less than this
SLOWEST_LINE: Final = 2 * SECOND  # from its first piece to its last
LONGEST_LOOK: Final = 64 * 1024 * 1024  # at a server that knows no tailLines and answers with the whole log


@dataclass(frozen=True, slots=True)
class Newest:
    """The end of a log. ``key`` is None where it is no whole stamped line; ``text`` is empty where the log is."""

    key: Key | None
    text: bytes


async def look(setting: Setting, pod: str, *, previous: bool = False) -> Newest | None:
    """The newest line of the log that is served now, or of the ``previous`` life's; None where it cannot be known.

    One whole line is all that was asked for, so it is the newest one, whatever broke; an answer that holds none may
    have been broken off.
    """
    options = [("follow", "false"), ("tailLines", "1"), *([("previous", "true")] if previous else [])]
    splitter = LineSplitter()
    last = b""
    size = 0
    try:
        async with asyncio.timeout(setting.rhythm.answer * 2):
            stream = await setting.log(pod, *options)
            try:
                while data := await stream.read():
                    size += len(data)
                    last = (splitter.feed(data) or [last])[-1]
                    if size > LONGEST_LOOK:
                        return None
            finally:
                await stream.close()
    except (Trouble, TimeoutError):
        return None
    return _newest(last, splitter.rest)


def is_piece(newest: Newest, line: tuple[int, bytes] | None) -> bool:
    """Whether a look that began in the middle of this long line (stamp and text) saw its end.

    The pieces of a line are stamped one by one, as they are written: at about the same time.
    """
    if newest.key is None or line is None:
        return False
    ns, text = line
    fits = len(text) > SHORTEST_SPLIT and len(newest.text) < len(text) and text.endswith(newest.text)
    return fits and abs(newest.key[0] - ns) <= SLOWEST_LINE


def _newest(last: bytes, rest: bytes) -> Newest | None:
    """An unfinished line behind a whole one is not there yet; alone it is a piece of a long line, or an error."""
    line = last or rest
    ns, text = split_stamp(line)
    if is_kubelet_error(rest) or (ns is None and is_kubelet_error(line)):
        return None
    return Newest(key_of(ns, text), text) if ns is not None and last else Newest(None, line)
