"""Makes the parts of the Kubernetes client that are used loadable without the others.

``import kubernetes`` runs all of it: a second client that blocks, OAuth, websockets; 150 modules, 4 MB and a tenth of a
second. Its package and that of its asynchronous half are put in place empty, so that only what is asked for is loaded.
"""

from __future__ import annotations

import importlib.util
import sys


def load_parts_only(*packages: str) -> None:
    """Put these packages, parents first, in place without running them, unless somebody did; their parts still run."""
    for name in packages:
        spec = importlib.util.find_spec(name) if name not in sys.modules else None
        if spec is not None:
            sys.modules[name] = importlib.util.module_from_spec(spec)


load_parts_only("kubernetes", "kubernetes.aio")
