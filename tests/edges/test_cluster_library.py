"""Of the Kubernetes client only what is used is loaded."""

from __future__ import annotations

import subprocess
import sys

LOADED = "import sys, watcher.cluster; print(*sorted(sys.modules))"


def test_only_the_used_parts_of_the_kubernetes_client_are_loaded() -> None:
    """Its parts for other purposes cost memory and time; what they need (oauthlib, websocket) is not loaded either."""
    answer = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(answer.stdout.split())
    assert {"kubernetes.aio.client.api_client", "kubernetes.aio.config.kube_config"} <= loaded
    assert not loaded & {"kubernetes.client", "kubernetes.aio.dynamic", "oauthlib", "websocket", "kubernetes_validate"}


def test_a_client_that_somebody_loaded_whole_stays_whole() -> None:
    """What is there already is not taken away from whoever loaded it."""
    code = "import kubernetes; import watcher.cluster; kubernetes.client.CoreV1Api"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)
