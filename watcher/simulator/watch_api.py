"""A watch on the pods of the simulated cluster: one JSON object per line, from a resource version on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from watcher.simulator.cluster import Cluster
from watcher.simulator.manifests import pod_manifest
from watcher.simulator.selectors import filters
from watcher.simulator.status import status_body

BOOKMARK_SECONDS = 5.0


async def watch_pods(request: web.Request, cluster: Cluster) -> web.StreamResponse:
    """Stream the changes since ``resourceVersion``; without one, or from 0, the pods that are there come first."""
    watch = _Watch(request, cluster)
    await watch.response.prepare(request)
    try:
        await watch.run()
        await watch.response.write_eof()
    except ConnectionError:
        pass  # the client went away
    return watch.response


class _Watch:
    def __init__(self, request: web.Request, cluster: Cluster) -> None:
        self._cluster = cluster
        self._query = request.query
        self._wanted = filters(request.query)
        self.response = web.StreamResponse(headers={"Content-Type": "application/json"})
        self.response.enable_chunked_encoding()

    async def run(self) -> None:
        cluster = self._cluster
        asked = self._query.get("resourceVersion", "")
        seen = int(asked) if asked.isdecimal() and int(asked) else cluster.version
        if seen < cluster.oldest_version:
            message = f"too old resource version: {seen} ({cluster.oldest_version})"
            await self._send("ERROR", status_body(410, message))
            return
        if asked in {"", "0"}:
            for pod in list(cluster.pods.values()):
                await self._send_wanted("ADDED", pod_manifest(pod, cluster.namespace))
        try:
            async with asyncio.timeout(float(self._query.get("timeoutSeconds", "3600"))):
                await self._follow(seen)
        except TimeoutError:
            return

    async def _follow(self, seen: int) -> None:
        while True:
            changes = [one for one in self._cluster.history if one.version > seen]
            for change in changes:
                seen = change.version
                await self._send_wanted(change.kind, change.manifest)
            if not changes:  # more may have come while others were written
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(BOOKMARK_SECONDS):
                await self._cluster.changed()
        except TimeoutError:
            if self._query.get("allowWatchBookmarks", "false") in {"true", "1"}:
                metadata = {"resourceVersion": str(self._cluster.version)}
                await self._send("BOOKMARK", {"kind": "Pod", "apiVersion": "v1", "metadata": metadata})

    async def _send_wanted(self, kind: str, manifest: Mapping[str, Any]) -> None:
        if self._wanted(manifest):
            await self._send(kind, manifest)

    async def _send(self, kind: str, manifest: Mapping[str, Any]) -> None:
        await self.response.write(json.dumps({"type": kind, "object": manifest}).encode() + b"\n")
