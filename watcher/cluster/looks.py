"""A look at the newest line of a log over a connection of its own: the second truth beside the open stream."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from watcher.cluster.api import Trouble
from watcher.cluster.intake import is_kubelet_error
from watcher.cluster.setting import Setting
from watcher.core.lines import LineSplitter, split_stamp
from watcher.core.resume import Key, key_of

LONGEST_LOOK: Final = 64 * 1024 * 1024  # at a server that knows no tailLines and answers with the whole log


@dataclass(frozen=True, slots=True)
class Newest:
    """The end of a log. ``key`` is None where it is no whole stamped line; ``text`` is empty where the log is."""

    key: Key | None
    text: bytes


async def look(setting: Setting, pod: str) -> Newest | None:
    """The newest line of the log that is served now; None where it cannot be known."""
    splitter = LineSplitter()
    last = b""
    size = 0
    try:
        async with asyncio.timeout(setting.rhythm.answer * 2):
            stream = await setting.log(pod, ("follow", "false"), ("tailLines", "1"))
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


def _newest(last: bytes, rest: bytes) -> Newest | None:
    """An unfinished line behind a whole one is not there yet; alone it is a piece of a long line, or an error."""
    line = last or rest
    ns, text = split_stamp(line)
    if is_kubelet_error(rest) or (ns is None and is_kubelet_error(line)):
        return None
    return Newest(key_of(ns, text), text) if ns is not None and last else Newest(None, line)
