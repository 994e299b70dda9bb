"""How long things take in the simulator: every duration, in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Pace:
    """Durations in seconds of real time.

    ``unit`` is the patience of quiet that suits this pace; the others are work of the simulated Kubecost and its pod.
    The silent ends of work (``cloud``, ``lag``) must stay well below ``unit``, and ``unit`` must be at least one
    second, because no shorter patience is accepted.
    """

    unit: float = 1.0
    accept: float = 0.05  # from the answer to the first line
    day: float = 0.25  # one day of a store
    cloud: float = 0.4  # one query of a cloud bill, after its only line
    lag: float = 0.15  # from one cloud provider to the next
    dying: float = 0.1  # from the cause of a death to the death
    restart: float = 0.3  # from the death of a container to its next life
    startup: float = 0.2  # from the first line of a process to its stores being loaded
    ready: float = 0.3  # from the stores being loaded to the readiness probe
    background: float = 0.4  # between two ordinary runs

    @property
    def slow_day(self) -> float:
        """A day that takes several times the patience of quiet, and less than the patience of a day."""
        return 3.2 * self.unit

    def scaled(self, speed: float) -> Pace:
        """The same pace, ``speed`` times as fast; the patience that suits it never falls below one second."""
        if not speed > 0:
            msg = f"speed {speed}: must be greater than 0"
            raise ValueError(msg)
        durations = {f.name: getattr(self, f.name) / speed for f in fields(self)}
        durations["unit"] = max(1.0, durations["unit"])
        return Pace(**durations)

    def patience(self) -> dict[str, str]:
        """The ``patience`` section of a configuration that suits this pace, in whole seconds."""
        unit = math.ceil(self.unit)
        return {"start": f"{3 * unit}s", "day": f"{6 * unit}s", "quiet": f"{unit}s"}
