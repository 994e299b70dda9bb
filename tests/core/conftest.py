"""How hard hypothesis tries: ``fast``, or ``deep`` by ``HYPOTHESIS_PROFILE=deep`` (``--hypothesis-profile``)."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
settings.register_profile("fast", max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=SLOW)
settings.register_profile("deep", parent=settings.get_profile("fast"), max_examples=2000, stateful_step_count=80)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
