"""An embedded Kubecost and Kubernetes log API: the quick start without a cluster, training, the ground of the tests.

Both speak HTTP on sockets of this machine, live in the event loop of whoever starts them, and keep a ledger of what was
asked for and what was truly done.
"""

from watcher.simulator.access import Grant, grants_of_role
from watcher.simulator.cluster import Cluster
from watcher.simulator.faults import Answer, Cut, Faults
from watcher.simulator.kube_server import KubeServer
from watcher.simulator.ledger import ReceivedRequest
from watcher.simulator.objects import Death
from watcher.simulator.pace import Pace
from watcher.simulator.scenarios import SCENARIOS, Scenario
from watcher.simulator.simulation import Simulation

__all__ = [
    "SCENARIOS",
    "Answer",
    "Cluster",
    "Cut",
    "Death",
    "Faults",
    "Grant",
    "KubeServer",
    "Pace",
    "ReceivedRequest",
    "Scenario",
    "Simulation",
    "grants_of_role",
]
