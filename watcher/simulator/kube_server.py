"""The simulated cluster behind a socket, and the kubeconfig that leads to it."""

from __future__ import annotations

import base64
from pathlib import Path
from ssl import SSLContext
from typing import Any, Self

import yaml

from watcher.simulator.access import Access, Grant
from watcher.simulator.cluster import Cluster
from watcher.simulator.faults import Faults
from watcher.simulator.kube_api import KubeApi
from watcher.simulator.listener import Listener


class KubeServer:
    """An async context manager: inside it the API of ``cluster`` listens on ``url``.

    ``rbac``: what the token may do; None: everything. ``ssl``: serve over TLS, with ``ca`` (PEM) in the kubeconfig, or
    without any check where it is None.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        token: str = "simulated",  # noqa: S107 - it opens nothing but this server
        rbac: frozenset[Grant] | None = None,
        faults: Faults | None = None,
        port: int = 0,
        ssl: SSLContext | None = None,
        ca: bytes | None = None,
    ) -> None:
        self.cluster = cluster
        self.token = token
        self.faults = faults or Faults()
        self.access = Access(token, f"system:serviceaccount:{cluster.namespace}:watcher", rbac)
        self._listener = Listener(KubeApi(cluster, self.access, self.faults).application(), port, ssl)
        self._ca = ca

    async def __aenter__(self) -> Self:
        await self._listener.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._listener.close()

    @property
    def url(self) -> str:
        """The address of the API, without a slash at its end."""
        return self._listener.url

    def kubeconfig(self) -> dict[str, Any]:
        """A kubeconfig with the token in it."""
        cluster: dict[str, Any] = {"server": self.url}
        if self._ca is not None:
            cluster["certificate-authority-data"] = base64.b64encode(self._ca).decode()
        elif self.url.startswith("https:"):
            cluster["insecure-skip-tls-verify"] = True
        context = {"cluster": "simulated", "user": "watcher", "namespace": self.cluster.namespace}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "simulated", "cluster": cluster}],
            "users": [{"name": "watcher", "user": {"token": self.token}}],
            "contexts": [{"name": "simulated", "context": context}],
            "current-context": "simulated",
        }

    def write_kubeconfig(self, path: Path) -> None:
        """Write the kubeconfig, readable by its owner only."""
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(self.kubeconfig(), sort_keys=False), encoding="utf-8")
