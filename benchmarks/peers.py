"""The peers: programs that find the same lines, as they are called for it. Each gets its best case: it only counts.

mtail is not among them: the one that Debian offers (3.0.0~rc50) ends a ``--one_shot`` before it has read all.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

WINDOW = "2023-01-01T00:00:00Z,2023-01-04T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Peer:
    """A program, how it is called on a log with patterns, and on how much of a log (bytes) it is let loose.

    ``package`` is the one of Debian that brings it; ``counts``: the last word that it writes is the number of lines.
    """

    name: str
    program: str
    command: Callable[[Path, Path, Sequence[str]], list[str]]
    most: int
    package: str
    version: str
    c_locale: bool = False
    counts: bool = False
    good_codes: tuple[int, ...] = (0,)

    @property
    def installed(self) -> bool:
        """Whether it can be called here."""
        return shutil.which(self.program) is not None


def _ripgrep(log: Path, folder: Path, patterns: Sequence[str]) -> list[str]:
    # Bytes, not Unicode: with Unicode classes it is many times slower. What is no ASCII is written as bytes then.
    return ["rg", "--count", "--no-unicode", "--no-config", "--file", _written(folder, "rg", patterns), str(log)]


def _grep(log: Path, folder: Path, patterns: Sequence[str]) -> list[str]:
    posix = [each.replace(r"[^\[\]]", "[^][]") for each in patterns]  # inside of brackets \ is itself
    return ["grep", "-a", "-c", "-E", "-f", _written(folder, "grep", posix), str(log)]


def _gawk(log: Path, folder: Path, patterns: Sequence[str]) -> list[str]:
    joined = "|".join(f"({each})" for each in patterns).replace("/", "\\/")
    return ["gawk", "-b", "-f", _written(folder, "gawk", [f"/{joined}/ {{ n++ }} END {{ print n }}"]), str(log)]


def _lnav(log: Path, folder: Path, patterns: Sequence[str]) -> list[str]:
    script = [f":filter-in {'|'.join(f'({each})' for each in patterns)}"]
    return ["lnav", "-n", "-q", "-f", _written(folder, "lnav", script), str(log)]


def _sec(log: Path, folder: Path, patterns: Sequence[str]) -> list[str]:
    rules = [f"type=Single\nptype=RegExp\npattern={each}\ndesc=hit\naction=none\n" for each in patterns]
    return [
        "sec",
        f"--conf={_written(folder, 'sec', rules)}",
        f"--input={log}",
        "--notail",
        "--quiet",
        "--log=/dev/null",
    ]


def _swatchdog(log: Path, folder: Path, patterns: Sequence[str]) -> list[str]:
    rules = [f"watchfor /{each.replace('/', chr(92) + '/')}/\n" for each in patterns]
    config = _written(folder, "swatch", rules)
    return ["swatchdog", f"--config-file={config}", f"--examine={log}", f"--script-dir={folder}"]


def _fail2ban(log: Path, folder: Path, patterns: Sequence[str]) -> list[str]:
    # Its regexes must name somebody to ban, and % is special in its files.
    rules = "\n            ".join(f"^\\s*<F-ID>\\S*</F-ID>.*{each}".replace("%", "%%") for each in patterns)
    config = _written(folder, "fail2ban.conf", [f"[Definition]\nfailregex = {rules}\n"])
    return ["fail2ban-regex", "--print-no-missed", "--print-no-ignored", str(log), config]


MIB = 1 << 20
ALL = 1 << 50
NONE_FOUND = (0, 1)  # 1: no line matched
PEERS = (
    Peer("rg -c", "rg", _ripgrep, ALL, "ripgrep", "--version", counts=True, good_codes=NONE_FOUND),
    Peer("grep -E", "grep", _grep, ALL, "grep", "--version", c_locale=True, counts=True, good_codes=NONE_FOUND),
    Peer("gawk", "gawk", _gawk, 256 * MIB, "gawk", "--version", c_locale=True),
    Peer("lnav", "lnav", _lnav, 64 * MIB, "lnav", "-V"),
    Peer("SEC", "sec", _sec, 8 * MIB, "sec", "--version"),
    Peer("swatchdog", "swatchdog", _swatchdog, 8 * MIB, "swatch", "--version"),
    Peer("fail2ban-regex", "fail2ban-regex", _fail2ban, MIB // 2, "fail2ban", "--version"),
)


def watcher(log: Path, profile: str) -> list[str]:
    """How the watcher itself is called."""
    return [sys.executable, "-m", "watcher", "replay", "--profile", profile, "--window", WINDOW, "-o", "json", str(log)]


def _written(folder: Path, name: str, lines: Sequence[str]) -> str:
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)
