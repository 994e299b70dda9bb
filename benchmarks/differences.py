"""Is the fast matcher the plain matcher? Random logs, chunkings and pattern sets, read by both.

``python -m benchmarks.differences --count 10000``. A triple is made from its number alone, so that one can be looked at
again: ``--first 4711 --count 1``.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta

import regex

from watcher.chunks import WholeLines
from watcher.core.blocks import Block, count_lines
from watcher.core.events import LogRead, Meaning
from watcher.core.lines import LineSplitter, split_stamp
from watcher.matcher import Matcher
from watcher.pattern import Pattern
from watcher.profile import Profile, load_profile, shipped_profiles
from watcher.scan import Scanner, last_stamp, states_info
from watcher.sources import BlockLines, LinesRead, RawLine

# Pieces of words, chosen to meet, to overlap and to be mistaken for what reading invents.
WORDS = [
    "Repair[", "Rep", "pair[", "air", "air[1d]", "]:", "ETL:", "ETL", "TL:", "Asset", "Asset[", "set[1d]",
    "aggregated", "agg", "gated", "run:", "un:", "error", "err", "ror", "feast", "east", "x9f", "9f0", "dead",
    "c3b", "deadbeef", "CloudCost", "Cost:", "µs", "é", "straße", "Kelvin", "ski", "SKI", "{e}", "a/b", "http://",
    "\\d", '"', 'q"q', "INF", "[Info]", "I0228", "window", "[ab)", "2023-01-01", "T00:00:00Z", "coverage", "over",
    "cover", "panic:", "(git", "a.b", "a*b", "$1", "|", "^top", "end$"
]  # fmt: skip
TIMES = ("2023-01-01T00:00:00Z", "2023-01-02T00:00:00+0000", "2023-02-30T00:00:00Z", "2023-01-03T00:00:00Z")
STAMPS = (
    "2023-03-01T10:00:{:02}.5Z",
    "2023-03-01T10:00:{:02}.123456789Z",
    "2023-03-01T11:00:{:02}+01:00",
    "2023-13-01T00:00:{:02}Z",
)
TIMEOUT = 0.5  # seconds
ODD_BYTES = (b"\xff", b"\xc3", b"\x80", b"\xfe", b"\xcb", b"\x00", b"\\u0041")
COLOURS = ("\x1b[0m", "\x1b[31m", "\x1b[1m\x1b[31m", "\x1b[", "\x1b")


def profile(dice: random.Random) -> Profile:
    """A set of patterns: of random shapes, or some of a shipped profile's."""
    if dice.random() < 0.2:
        shipped = _SHIPPED[dice.randrange(len(_SHIPPED))]
        chosen = tuple(dice.sample(shipped.patterns, dice.randint(1, len(shipped.patterns))))
        return Profile("shipped", "", None, (), chosen, shipped.anchors, "")
    patterns: list[Pattern] = []
    while len(patterns) < dice.choice((1, 2, 5, 12, 80)):
        try:
            compiled = regex.compile(_regex(dice, 3), dice.choice((0, 0, 0, 0, regex.IGNORECASE)))
        except (regex.error, RecursionError):
            continue
        levels = frozenset(dice.sample(["info", "error"], 1)) if dice.random() < 0.1 else frozenset()
        patterns.append(Pattern(f"p{len(patterns)}", Meaning.NOTED, "", compiled, "", levels=levels))
    anchors = tuple(dice.choice(WORDS) + dice.choice(("", dice.choice(WORDS))) for _ in range(dice.randint(0, 3)))
    return Profile("random", "", None, (), tuple(patterns), tuple(each for each in anchors if each), "")


_SHIPPED = [load_profile(name) for name in shipped_profiles()]


def _regex(dice: random.Random, depth: int) -> str:
    parts = [_part(dice, depth) for _ in range(dice.randint(1, 4))]
    head = "^" if dice.random() < 0.15 else "(?i)" if dice.random() < 0.05 else ""
    return head + "".join(parts) + ("$" if dice.random() < 0.1 else "")


def _part(dice: random.Random, depth: int) -> str:
    kind = dice.randrange(18 if depth else 9)
    match kind:
        case 0 | 1 | 2 | 3 | 4:
            return regex.escape(dice.choice(WORDS), special_only=True)
        case 5:
            return dice.choice((r"\d+", r"\w*", ".", ".*", r"\s", "[a-f]", "[sS]", r"[^\[]+", "[.]", " "))
        case 6:
            return rf"\[(?P<start>{TIMES[0][:4]}\S+), (?P<end>\S+)\)" if dice.random() < 0.3 else "r?"
        case 7:
            return dice.choice(("e{2}", "(?:ab){1,2}", "é", "µ", "(?:err){e<=1}", "[[:alpha:]]", "(?:x|)", r"\b"))
        case 8:
            return dice.choice(WORDS)  # whatever that means as a regex
        case 9 | 10:
            return f"(?:{_regex(dice, depth - 1)}|{_regex(dice, depth - 1)})"
        case 11:
            return f"(?:{_regex(dice, depth - 1)})?"
        case 12:
            return f"(?:{_regex(dice, depth - 1)}){dice.choice(('+', '*', '{2}', '+?', '++'))}"
        case 13:
            return f"({'?!' if dice.random() < 0.5 else '?='}{_regex(dice, depth - 1)})"
        case 14:
            return f"(?i:{_regex(dice, 0)})"
        case 15:
            return f"(?>{_regex(dice, depth - 1)})"
        case _:
            return "|" if depth == 3 else f"(?:{_regex(dice, depth - 1)})"


def log(dice: random.Random, rules: Profile) -> bytes:
    """Some lines, in envelopes, with everything that can go wrong in them."""
    samples = [line for pattern in rules.patterns for line in pattern.samples]
    ends = (b"\n",) if dice.random() < 0.8 else (b"\n", b"\r\n", b"\n\n")
    count = dice.choice((0, 1, 3, 20, 60))
    style = dice.randrange(7)
    lines = [_line(dice, samples, style if dice.random() < 0.8 else dice.randrange(7)) for _ in range(count)]
    made = b"".join(line + dice.choice(ends) for line in lines)
    return made[: -dice.randint(1, 30)] if dice.random() < 0.2 else made


def _line(dice: random.Random, samples: list[str], style: int) -> bytes:
    text = dice.choice(samples) if samples and dice.random() < 0.7 else _message(dice)
    if dice.random() < 0.005:
        filling = dice.choice(WORDS) * dice.choice((9_000, 20_000, 200_000))
        text = dice.choice((text + filling, filling + text))
    line = _wrapped(dice, text, style).encode("utf-8", errors="surrogatepass")
    for _ in range(dice.choice((0, 0, 0, 1, 3))):
        at = dice.randint(0, len(line))
        odd = dice.choice(
            (b"\xff", b"\xc3", b"\x80", b"\xfe", b"\xcb", dice.choice(COLOURS).encode(), b"\x00", b"\\u0041")
        )
        line = line[:at] + odd + line[at + dice.choice((0, 0, 1)) :]
    return line.replace(b"\n", b" ")


def _message(dice: random.Random) -> str:
    window = f"[{dice.choice(TIMES)}, {dice.choice(TIMES)})" if dice.random() < 0.3 else ""
    return dice.choice(("", " ")).join([*(dice.choice(WORDS) for _ in range(dice.randint(0, 8))), window])


def _wrapped(dice: random.Random, text: str, style: int) -> str:
    stamp = dice.choice(STAMPS).format(dice.randint(0, 59))
    level = dice.choice(("INF", "WRN", "ERR", "DBG", "???"))
    match style:
        case 0:
            return f"{stamp} {level} {text}"
        case 1:
            return f"\x1b[90m{stamp}\x1b[0m \x1b[32m{level}\x1b[0m {text}"
        case 2:
            said = {"level": dice.choice(["info", "error", "Debug"]), "time": stamp, "message": text}
            raw = json.dumps(said, ensure_ascii=dice.random() < 0.5)
            return raw.replace("/", "\\/") if dice.random() < 0.2 else _escaped(dice, raw)
        case 3:
            return f"I0228 19:52:20.706416       1 log.go:62] [{dice.choice(['Info', 'Error'])}] {text}"
        case 4:
            return f"[pod/kubecost-cost-analyzer-7d9f8c-abcde/cost-model] {stamp} {level} {text}"
        case 5:
            return f"{stamp} {stamp} {level} {text}"
        case _:
            return text


def _escaped(dice: random.Random, raw: str) -> str:
    """The same JSON with a letter of the message written as an escape."""
    head, _, tail = raw.partition('"message": "')
    if not tail or dice.random() < 0.5:
        return raw
    at = dice.randrange(len(tail))
    return f'{head}"message": "{tail[:at]}\\u{ord(tail[at]) & 0xFFFF:04x}{tail[at + 1 :]}'


def chunks(dice: random.Random, data: bytes) -> Iterator[bytes]:
    """``data`` in pieces of random sizes."""
    largest = dice.choice((1, 7, 100, 5_000, 300_000))
    if len(data) > 200 * largest:
        largest = len(data) // 100
    at = 0
    while at < len(data):
        size = dice.randint(1, largest)
        yield data[at : at + size]
        at += size


def in_chunks(scanner: Scanner, pieces: Iterator[bytes]) -> LogRead:
    """What the fast matcher says of a log."""
    whole = WholeLines()
    facts, lines, near_missed, info, last = [], 0, 0, False, None
    for piece in pieces:
        lines += count_lines(piece)
        for buffer, start, end in whole.feed(piece):
            for reading in scanner.read(buffer, start, end):
                near_missed += reading.near_miss
                if reading.fact is not None:
                    facts.append(reading.fact)
            info = info or states_info(buffer, start, end)
            last = last_stamp(buffer, start, end) or last
    return LogRead(None, tuple(facts), lines, len(facts), near_missed, int(info), last)


def differences(number: int) -> list[str]:
    """What differs in triple ``number``; [] as it should be."""
    dice = random.Random(number)
    rules = profile(dice)
    data = log(dice, rules)
    native = dice.random() < 0.8
    lines = [RawLine(line) for line in LineSplitter().feed(data)]
    plain = Matcher(rules, timeout=TIMEOUT)
    expected = plain.read_batch(lines)
    if plain.timeouts:
        return []  # a pattern that explodes: what it matches in time is chance
    found = [compare("chunks", expected, in_chunks(Scanner(plain, native=native), chunks(dice, data)))]
    found.append(compare("batch", expected, Scanner(plain, native=native).read_batch(lines)))
    moment = datetime(2023, 5, 1, tzinfo=UTC)
    stamped = [
        RawLine(line.text, moment + timedelta(seconds=number) if dice.random() < 0.9 else None)
        for number, line in enumerate(lines)
    ]
    found.append(compare("stamped", plain.read_batch(stamped), Scanner(plain, native=native).read_batch(stamped)))
    if lines:
        block = BlockLines(in_a_block(dice, [line.text for line in lines]))
        fast = Scanner(plain, native=native).read_lines(LinesRead(None, block, Nowhere()))
        found.append(compare("block", plain.read_batch(block), fast))
    return [f"triple {number}, {each}" for each in found if each]


class Nowhere:
    """A cursor that nobody reads."""

    def dump(self) -> str:
        """Nothing."""
        return ""


def in_a_block(dice: random.Random, lines: list[bytes]) -> Block:
    """The lines behind stamps of the container runtime, in one piece."""
    zone = dice.choice(("Z", "Z", "+01:00"))
    stamped = [f"2023-05-01T08:{number // 60:02}:{number % 60:02}.5{zone} ".encode() for number in range(len(lines))]
    texts = [line[: 1 << 20] for line in lines]
    ends = [split_stamp(stamped[at] + texts[at]) for at in (0, -1)]
    data = b"".join(stamp + text + b"\n" for stamp, text in zip(stamped, texts, strict=True))
    return Block(data, len(lines), ends[0][0] or 0, (ends[1][0] or 0, ends[1][1]))


def compare(what: str, plain: LogRead, fast: LogRead) -> str:
    """The first field in which two readings differ; of the lines of level info, only whether there were any."""
    if bool(plain.info_lines) != bool(fast.info_lines):
        return f"{what}: info_lines: {plain.info_lines} and {fast.info_lines}"
    for name in ("lines", "matched", "near_missed", "last_line_at", "facts"):
        if getattr(plain, name) != getattr(fast, name):
            return f"{what}: {name}: {str(getattr(plain, name))[:500]} and {str(getattr(fast, name))[:500]}"
    return ""


def compare_many(numbers: Iterable[int]) -> list[str]:
    """What differs in any of these triples; on every core."""
    with ProcessPoolExecutor() as processes:
        return [each for found in processes.map(differences, numbers, chunksize=50) for each in found]


def main() -> int:
    """Compare ``--count`` triples; 1 where anything differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    chosen = parser.parse_args()
    wrong = compare_many(range(chosen.first, chosen.first + chosen.count))
    for difference in wrong:
        print(difference)
    print(f"{chosen.count} triples of log, chunking and pattern set: {len(wrong)} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
