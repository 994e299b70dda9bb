"""What the versions of Kubecost differ in: the stages they have, in the documented order, and some spellings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """One range of versions, named like the profile that reads it."""

    profile: str
    version: str
    stages: tuple[str, ...]
    says_day_starting: bool = False
    allocation_store: str = "Allocation[{resolution}]: AggregatedStoreDriver[{identity}]"
    asset_store: str = "ETL: Asset[{resolution}]: AggregatedStore.Run[{identity}]"

    def store(self, kind: str, resolution: str, identity: str) -> str:
        """How the store of ``kind`` (Asset, Allocation) calls itself when it has written a set."""
        name = self.asset_store if kind == "Asset" else self.allocation_store
        return name.format(resolution=resolution, identity=identity)


_DIALECTS = (
    Dialect(
        "kubecost-1.99",
        "1.99.0",
        ("asset", "cloudUsage", "reconciliation", "allocation"),
        says_day_starting=True,
        allocation_store="ETL: Allocation[{resolution}]: AggregatedStore[{identity}]",
    ),
    Dialect("kubecost-1.100", "1.105.2", ("asset", "allocation", "cloudUsage", "reconciliation")),
    Dialect("kubecost-1.106", "1.108.1", ("asset", "allocation", "cloudCost", "reconciliation")),
    Dialect("kubecost-2", "2.2.2", ("asset", "allocation", "cloudCost")),
)
DIALECTS = {dialect.profile: dialect for dialect in _DIALECTS}
"""By the name of the profile."""
