"""Files that are rotated: knowing one again under another name, and what was written after it.

Both ways of rotating are understood: rename and create (the inode moves to ``app.log.1``), and copy and truncate (the
content moves to a new inode). So a place in a file is known by its inode, or by the bytes in front of it.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

WITNESS: Final = 1024  # bytes in front of a place


@dataclass(frozen=True, slots=True)
class FileCursor:
    """A place in a file: behind the first ``offset`` bytes of the file with this device and inode.

    ``witness`` is a hash of the up to 1024 bytes before the place: inodes are used again, contents are copied.
    """

    device: int
    inode: int
    offset: int
    witness: str

    def dump(self) -> str:
        """As text; ``load`` reads it."""
        place = {"device": self.device, "inode": self.inode, "offset": self.offset, "witness": self.witness}
        return json.dumps({"source": "file"} | place)

    @classmethod
    def load(cls, text: str) -> FileCursor:
        """The cursor in a text. ValueError where there is none."""
        known = json.loads(text)
        if not isinstance(known, dict) or known.get("source") != "file":
            raise ValueError("it is not of a file")
        try:
            return cls(int(known["device"]), int(known["inode"]), int(known["offset"]), str(known["witness"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"it is damaged: {error!r}") from error


class OpenFile:
    """A regular file, open for reading; keeps its content after it was renamed or removed. Raises OSError."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        # Without O_NONBLOCK a named pipe would block right here.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(self._descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")  # noqa: TRY301 - beside the one from open
            self.device, self.inode = found.st_dev, found.st_ino
            self._recent = os.pread(self._descriptor, min(offset, WITNESS), max(0, offset - WITNESS))
        except BaseException:
            self.close()
            raise
        self.position = offset

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size``; empty at the end there is now."""
        data = os.pread(self._descriptor, size, self.position)
        self.position += len(data)
        return data

    def size(self) -> int:
        """How long it is now; shorter than ``position`` when it was truncated."""
        return os.fstat(self._descriptor).st_size

    def cursor(self, passed: bytes, offset: int) -> FileCursor:
        """The place at ``offset``; ``passed`` is what stands between it and the last place that was asked for.

        Of ``passed`` the last 1024 bytes are enough.
        """
        self._recent = (self._recent + passed[-WITNESS:])[-WITNESS:]
        return FileCursor(self.device, self.inode, offset, _hash(self._recent))

    def is_at(self, path: Path) -> bool:
        """Whether ``path`` still names this file. Raises OSError where it names nothing."""
        found = path.stat()
        return (found.st_dev, found.st_ino) == (self.device, self.inode)

    def close(self) -> None:
        """Give the descriptor back. May be called twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def reopen(path: Path, cursor: FileCursor) -> OpenFile | None:
    """The file the cursor lies in, at that place: ``path`` itself or what it became; None where it is gone."""
    candidates = [path, *reversed(rotated(path))]
    for by_inode in (True, False):
        for candidate in candidates if by_inode or cursor.offset else ():
            try:
                file = OpenFile(candidate, cursor.offset)
            except OSError:
                continue
            same = (file.device, file.inode) == (cursor.device, cursor.inode)
            whole = file.size() >= cursor.offset
            if whole and same == by_inode and file.cursor(b"", cursor.offset).witness == cursor.witness:
                return file
            file.close()
    return None


def successors(path: Path, file: OpenFile, cursor: FileCursor | None) -> list[OpenFile]:
    """What was written after ``file``, oldest first; ends with what ``path`` names, if that can be opened now.

    They are opened at once: names move on with the next rotation. Where ``file`` is no longer to be found beside
    ``path``, nothing is known to lie between.
    """
    generations = rotated(path)
    after = next((n + 1 for n, one in enumerate(generations) if _is_same(one, file, cursor)), len(generations))
    opened: list[OpenFile] = []
    for generation in (*generations[after:], path):
        try:
            opened.append(OpenFile(generation))
        except OSError:
            continue
    return opened


def rotated(path: Path) -> list[Path]:
    """What ``path`` was rotated to (``app.log.1``, ``app.log-20230101``), oldest first; without compressed ones."""
    form = re.compile(re.escape(path.name) + r"[.-]\d[\dTZ._:-]*")
    return [found for _, found in sorted(_dated(path.parent, form))]


def _dated(folder: Path, form: re.Pattern[str]) -> Iterator[tuple[tuple[int, int], Path]]:
    try:
        entries = list(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if form.fullmatch(entry.name):
            try:
                found = entry.stat()
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode):
                number = entry.name.rpartition(".")[2]  # app.log.2 is older than app.log.1
                yield (found.st_mtime_ns, -int(number) if number.isdecimal() else 0), entry


def _is_same(path: Path, file: OpenFile, cursor: FileCursor | None) -> bool:
    try:
        if file.is_at(path):
            return True
        if cursor is None or not cursor.offset or path.stat().st_size < cursor.offset:
            return False
        copy = OpenFile(path, cursor.offset)
    except OSError:
        return False
    try:
        return copy.cursor(b"", cursor.offset).witness == cursor.witness
    finally:
        copy.close()


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=12).hexdigest()
