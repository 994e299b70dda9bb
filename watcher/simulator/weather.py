"""How bad everything around the daemon is in one simulated run: drawn once from the seed, over at ``calm_at``.

Rates are shares of requests, streams or saves; spans are in seconds. Every kind of fault is absent in some runs, so
that each is met alone and in every company.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from random import Random


class Sky(StrEnum):
    """What the way to the Kubernetes API is like for a while."""

    CLEAR = "clear"
    DOWN = "down"  # connections are refused, open ones were cut
    DARK = "dark"  # nothing gets through, and nobody says so
    BUSY = "busy"  # 429, with Retry-After
    FORBIDDEN = "forbidden"  # 403: the role was taken away
    BROKEN = "broken"  # 500: the kubelet cannot be reached; objects are shown all the same


@dataclass(frozen=True, slots=True)
class Weather:
    """The strength of every fault. ``skies``: (from, to, what), one after the other."""

    calm_at: float = 0.0
    skies: tuple[tuple[float, float, Sky], ...] = ()
    latency: float = 0.01
    # the Kubernetes API
    refused: float = 0.0
    hung: float = 0.0
    cut: float = 0.0
    cut_after: float = 3000.0  # bytes, on average
    stalled: float = 0.0
    in_band: float = 0.0
    shredded: float = 0.0
    lag: float = 0.0  # how long the API shows what was, at most
    # the node
    rotation: float = 0.0  # per minute
    stuck: float = 0.0  # of rotations: followers stay at the old file
    clock_step: float = 0.0  # per minute
    tick: int = 1  # ns: the runtime's clock
    disorder: int = 0  # ns: how far stamps run backwards
    # the container
    death: float = 0.0  # per minute
    replacement: float = 0.0  # per minute
    collapse: float = 0.0  # per minute: rotation, death and replacement within seconds
    last_words: float = 0.0  # of deaths: the last line has no newline
    # Kubecost's door
    answered_badly: float = 0.0
    # the daemon's machine
    crash: float = 0.0  # of the daemon's lives
    save_fails: float = 0.0
    slow_save: float = 0.0
    told_in_vain: float = 0.0

    def sky(self, now: float) -> Sky:
        """What it is like at ``now``."""
        return next((sky for start, end, sky in self.skies if start <= now < end), Sky.CLEAR)

    def is_calm(self, now: float) -> bool:
        """True when nothing bad happens any more."""
        return now >= self.calm_at


@dataclass(frozen=True, slots=True)
class _Range:
    """A fault that is there in ``share`` of the runs, between ``least`` and ``most``."""

    share: float
    least: float
    most: float


_RANGES: dict[str, _Range] = {
    "refused": _Range(0.5, 0.01, 0.3),
    "hung": _Range(0.2, 0.005, 0.05),
    "cut": _Range(0.6, 0.05, 0.9),
    "stalled": _Range(0.35, 0.02, 0.4),
    "in_band": _Range(0.25, 0.02, 0.3),
    "shredded": _Range(0.5, 0.1, 1.0),
    "lag": _Range(0.3, 0.2, 2.0),
    "rotation": _Range(0.4, 0.1, 1.0),
    "stuck": _Range(0.5, 0.1, 0.6),
    "clock_step": _Range(0.25, 0.1, 0.7),
    "death": _Range(0.35, 0.05, 0.35),
    "replacement": _Range(0.25, 0.03, 0.25),
    "collapse": _Range(0.4, 0.1, 0.7),
    "last_words": _Range(0.6, 0.3, 1.0),
    "answered_badly": _Range(0.45, 0.1, 0.6),
    "crash": _Range(0.5, 0.2, 1.0),
    "save_fails": _Range(0.25, 0.02, 0.5),
    "slow_save": _Range(0.3, 0.02, 0.5),
    "told_in_vain": _Range(0.4, 0.05, 0.7),
}


def draw_weather(rng: Random) -> Weather:
    """The weather of one run; in one of ten there is none."""
    if rng.random() < 0.1:
        return Weather()
    strength: dict[str, float] = {}
    for name, span in _RANGES.items():
        if rng.random() < span.share:
            strength[name] = rng.uniform(span.least, span.most)
    calm_at = rng.uniform(120.0, 900.0)
    return Weather(
        calm_at=calm_at,
        skies=_draw_skies(rng, calm_at),
        latency=rng.choice((0.002, 0.02, 0.3)),
        cut_after=rng.choice((200.0, 2000.0, 20000.0)),
        tick=rng.choice((1, 1, 15_000_000, 1_000_000_000)),
        disorder=rng.choice((0, 0, 30_000_000)),
        **strength,
    )


def _draw_skies(rng: Random, calm_at: float) -> tuple[tuple[float, float, Sky], ...]:
    if rng.random() < 0.5:
        return ()
    bad = [sky for sky in Sky if sky is not Sky.CLEAR]
    found: list[tuple[float, float, Sky]] = []
    now = rng.expovariate(1 / 120)
    while now < calm_at:
        end = min(calm_at, now + rng.expovariate(1 / 45))
        found.append((now, end, rng.choice(bad)))
        now = end + rng.expovariate(1 / 200)
    return tuple(found)


def describe(weather: Weather) -> str:
    """What is bad in this weather, for people."""
    plain = Weather()
    told = [
        f"{one.name} {getattr(weather, one.name):.3g}"
        for one in fields(Weather)
        if one.name != "skies" and getattr(weather, one.name) != getattr(plain, one.name)
    ]
    told += [f"{sky} {start:.0f}..{end:.0f}" for start, end, sky in weather.skies]
    return ", ".join(told) or "none"
