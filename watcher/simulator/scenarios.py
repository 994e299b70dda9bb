"""The scenarios: what happens in each, and what a daemon must make of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from watcher.simulator.envelopes import Envelope
from watcher.simulator.troubles import EVER, Dies, Emptied, Foreign, Refused, Replaced, Silent, Slow, Trouble


class Noise(IntEnum):
    """How much else the log holds. ``USUAL``: the ordinary runs of a healthy Kubecost. ``LOUD``: everything."""

    NONE = 0
    USUAL = 1
    LOUD = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What must come of a run: its exit code and state; where it stands; words of which its reason holds one."""

    exit_code: int = 0
    run_state: str = "done"
    stage: str | None = None
    says: tuple[str, ...] = ()


HELD = "held"
AWS = "440082503234/s3://aws-athena-query-results-"
AZURE = "9bd50fd7-1e42-4bfd-a0f8-c3e2a1a0b1d2/kubecost-exports"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One story. ``troubles`` happen to the repairs that the run asks for, never to those of others."""

    name: str
    description: str
    profile: str = "kubecost-1.99"
    verdict: Verdict = Verdict()
    troubles: tuple[Trouble, ...] = ()
    noise: Noise = Noise.USUAL
    envelope: Envelope = Envelope.CONSOLE
    providers: tuple[str, ...] = (AWS,)
    stray_pod: bool = False


_ALL = (
    Scenario("happy", "everything goes well, beside the ordinary runs of a healthy Kubecost"),
    Scenario(
        "noise",
        "a loud log: floods of warnings, long lines, stack traces, broken UTF-8, other pipelines' errors, a stray pod",
        noise=Noise.LOUD,
        envelope=Envelope.COLOUR,
        stray_pod=True,
    ),
    Scenario(
        "restart-midway",
        "the container crashes while assets are repaired; its queue is lost, its stores are loaded with old contents",
        troubles=(Dies("asset", 1),),
    ),
    Scenario(
        "pod-replaced",
        "a rollout replaces the pod while allocations are repaired; its log is gone with it",
        profile="kubecost-1.100",
        troubles=(Replaced("allocation", 1, rollout=True),),
    ),
    Scenario(
        "oom-loop",
        "every attempt to repair the second day of assets ends with the container killed for its memory",
        verdict=Verdict(3, HELD, "asset", ("OOMKilled",)),
        troubles=(Dies("asset", 1, EVER, "OOMKilled", 137),),
    ),
    Scenario(
        "empty-day",
        "the metrics of the second day are gone: the repair writes an empty set over its assets",
        verdict=Verdict(3, HELD, "asset", ("empty", "emptied", "no rows", "0 rows", "from 0 to 0")),
        troubles=(Emptied("asset", 1),),
    ),
    Scenario(
        "cannot-repair",
        "the daily asset store refuses the window: it lies outside its coverage",
        verdict=Verdict(1, "failed", "asset", ("coverage",)),
        troubles=(Refused("asset"),),
    ),
    Scenario(
        "slow-last-day",
        "the last day of assets and of allocations takes much longer than the patience of quiet",
        troubles=(Slow("asset"), Slow("allocation")),
    ),
    Scenario(
        "foreign-repair",
        "while assets are repaired a person starts another repair in the UI",
        verdict=Verdict(3, HELD, "asset", ("repair",)),
        troubles=(Foreign("asset", 1, "allocation"),),
    ),
    Scenario(
        "silent-stage",
        "the request for cloud usage is accepted, and nothing follows",
        verdict=Verdict(3, HELD, "cloudUsage", ("unclear", "silent", "silence", "no line", "nothing")),
        troubles=(Silent("cloudUsage"),),
    ),
    Scenario(
        "two-providers",
        "two cloud providers, one of them much slower than the other",
        providers=(AWS, AZURE),
    ),
    Scenario(
        "cloudcost",
        "Kubecost 2: assets, allocations, then cloud costs, which are silent about their end",
        profile="kubecost-2",
        providers=(AWS, AZURE),
    ),
    Scenario(
        "cloudcost-reconciliation",
        "Kubecost 1.106: cloud costs instead of cloud usage, then the reconciliation",
        profile="kubecost-1.106",
    ),
    Scenario(
        "json-logs",
        "Kubecost 1.105 that logs JSON: assets, allocations, cloud usage, reconciliation",
        profile="kubecost-1.100",
        envelope=Envelope.JSON,
    ),
)
SCENARIOS = {scenario.name: scenario for scenario in _ALL}
"""By name, in the order in which they are listed."""
