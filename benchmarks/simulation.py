"""How many hours of a cluster's life are simulated in a second, the whole daemon in them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from watcher.simulator.soak import soak


def simulation(seeds: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Seeds of the simulation in virtual time, on every core."""
    tell(f"simulation, {seeds} seeds")
    begun = time.perf_counter()
    tally = soak(range(seeds), os.cpu_count() or 1)
    took = time.perf_counter() - begun
    return {
        "seeds": seeds,
        "cores": os.cpu_count() or 1,
        "hours_per_second": tally.simulated / 3600 / took,
        "seeds_per_second": seeds / took,
        "steps_per_second": tally.steps / took,
        "failing_seeds": len(tally.failed),
    }
