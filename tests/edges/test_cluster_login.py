"""Who we are in the cluster: kubeconfig and service account, renewed when the server no longer takes them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
import trustme
import yaml
from aiohttp import web
from kubernetes.aio.config import incluster_config

from tests.edges.listening import PATIENT, QUICK, Scene, clock, listening
from tests.edges.scripted_kube import Fault, ScriptedKube, serving, write_kubeconfig
from watcher.cluster import KubernetesSource, transport
from watcher.cluster.transport import ClusterApi, _socket
from watcher.errors import ConfigError


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No cluster and no kubeconfig of the machine that runs the tests."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    kube = ScriptedKube()
    async with serving(kube) as address:
        yield Scene(kube, address, tmp_path)


def source(kubeconfig: Path | None = None, context: str | None = None) -> KubernetesSource:
    return KubernetesSource(
        namespace="kubecost",
        deployment="kubecost-cost-analyzer",
        container="cost-model",
        kubeconfig=kubeconfig,
        context=context,
        rhythm=QUICK,
        clock=clock,
    )


# ---- what the operator must put right


async def refusal(made: KubernetesSource) -> str:
    with pytest.raises(ConfigError) as caught:
        await made.open()
    await made.aclose()
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_no_kubeconfig_at_all_says_where_it_was_looked_for() -> None:
    message = await refusal(source())
    assert ".kube/config: no such kubeconfig" in message
    assert "$KUBECONFIG" in message


async def test_a_kubeconfig_that_is_missing_or_no_kubeconfig(tmp_path: Path) -> None:
    assert "missing: no such kubeconfig" in await refusal(source(tmp_path / "missing"))
    for content in ("", "[]", "just words", "a: [", "clusters: 3", "contexts: []\ncurrent-context: x\n"):
        (tmp_path / "config").write_text(content)
        assert "cannot be used as a kubeconfig" in await refusal(source(tmp_path / "config"))


async def test_an_unknown_context_is_named(scene: Scene) -> None:
    message = await refusal(source(scene.kubeconfig, "elsewhere"))
    assert "with context 'elsewhere'" in message


async def test_certificates_that_cannot_be_loaded(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "config", "https://127.0.0.1:1", {"token": "x"})
    document = yaml.safe_load(path.read_text())
    (tmp_path / "ca.crt").write_text("no certificate")
    document["clusters"][0]["cluster"]["certificate-authority"] = str(tmp_path / "ca.crt")
    path.write_text(yaml.safe_dump(document))
    assert "certificates cannot be loaded" in await refusal(source(path))


async def test_kubeconfig_of_the_environment(scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'missing'}:{scene.kubeconfig}")
    scene.kube.write(b"x")
    async with listening(source()) as heard:
        await heard.until(lambda: heard.lines == [b"x"])


# ---- credentials that change


async def test_a_401_reads_the_token_file_again(scene: Scene, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")  # a hand-made file ends in a newline
    kubeconfig = write_kubeconfig(tmp_path / "by-file", scene.address, {"tokenFile": str(token)})
    scene.kube.write(b"one")
    async with listening(source(kubeconfig)) as heard:
        await heard.until(lambda: heard.lines == [b"one"])
        scene.kube.token = "second"
        await heard.until(lambda: any("401 Unauthorized" in cause for cause in heard.losses))
        token.write_text("second")
        scene.kube.write(b"two")
        await heard.until(lambda: heard.lines == [b"one", b"two"])


async def test_a_401_runs_the_exec_plugin_again(scene: Scene, tmp_path: Path) -> None:
    plugin, token = tmp_path / "plugin", tmp_path / "token"
    head = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "'
    plugin.write_text(f'#!/bin/sh\nprintf \'{head}%s"}}}}\' "$(cat {token})"\n')
    plugin.chmod(0o755)
    token.write_text("first")
    user = {"exec": {"command": str(plugin), "apiVersion": "client.authentication.k8s.io/v1"}}
    kubeconfig = write_kubeconfig(tmp_path / "by-plugin", scene.address, user)
    scene.kube.write(b"one")
    async with listening(source(kubeconfig)) as heard:
        await heard.until(lambda: heard.lines == [b"one"])
        scene.kube.token = "second"
        token.write_text("second")
        scene.kube.write(b"two")
        scene.kube.faults.append(Fault("clean"))
        await heard.until(lambda: heard.lines == [b"one", b"two"])


async def test_an_open_stream_survives_new_credentials(scene: Scene) -> None:
    """The look meets the 401; the stream was opened before and goes on."""
    scene.kube.write(b"one")
    async with listening(scene.source(PATIENT)) as heard:
        await heard.until(lambda: heard.caught_up == 1)
        scene.kube.token = "second"
        write_kubeconfig(scene.kubeconfig, scene.address, {"token": "second"})
        await scene.last.confirm()
        await heard.until(lambda: heard.caught_up == 2)
        scene.kube.write(b"two")
        await heard.until(lambda: heard.lines == [b"one", b"two"])
        assert scene.follows() == 1
    assert heard.losses == []


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "the server has asked for the client to provide credentials ( pods/log p)"),
        (500, 'Get "https://10.0.0.1:10250/containerLogs": remote error: tls: internal error'),
    ],
)
async def test_the_kubelets_refusal_of_the_api_server_is_not_ours(scene: Scene, status: int, message: str) -> None:
    """It is about the API server's own credentials, or the kubelet's: ours are not read again for it."""
    scene.kube.faults.append(Fault("status", status=status, body=message))
    scene.kube.write(b"x")
    async with listening(scene.source()) as heard:
        await heard.until(lambda: bool(scene.kube.requests))
        scene.kubeconfig.unlink()
        await heard.until(lambda: heard.lines == [b"x"])
    assert any(message in cause for cause in heard.losses)


async def test_a_kubeconfig_that_breaks_later_is_trouble_and_no_crash(scene: Scene) -> None:
    scene.kube.write(b"x")
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.lines == [b"x"])
        good = scene.kubeconfig.read_text()
        scene.kubeconfig.write_text("[")
        scene.kube.token = "second"
        await heard.until(lambda: any("cannot be used as a kubeconfig" in cause for cause in heard.losses))
        scene.kubeconfig.write_text(good.replace("first", "second"))
        scene.kube.write(b"y")
        await heard.until(lambda: heard.lines == [b"x", b"y"])


# ---- in a pod, over TLS


async def test_in_a_pod_the_service_account_is_used_and_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Token and CA are replaced on disk; the next refused request takes up both."""
    kube = ScriptedKube()
    kube.write(b"one")
    old, new = trustme.CA(), trustme.CA()
    token, ca = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("first\n")
    old.cert_pem.write_to_path(ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.issue_cert("127.0.0.1").configure_cert(context)
    app = web.Application()
    app.router.add_get("/{path:.*}", kube._answer)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(runner.addresses[0][1]))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(ca))
    try:
        async with listening(source()) as heard:
            await heard.until(lambda: heard.lines == [b"one"])
            kube.token = "second"
            token.write_text("second\n")
            new.issue_cert("127.0.0.1").configure_cert(context)
            kube.faults.extend([Fault("abort"), Fault("abort")])
            await heard.until(lambda: any("certificate" in cause.lower() for cause in heard.losses))
            new.cert_pem.write_to_path(ca)
            kube.write(b"two")
            await heard.until(lambda: heard.lines == [b"one", b"two"])
    finally:
        await runner.cleanup()


async def test_a_service_account_without_a_token_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "none"))
    assert "no such kubeconfig" in await refusal(source())
    (tmp_path / "none").write_text("")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert "the service account cannot be used" in await refusal(source())


# ---- the transport


async def test_nothing_is_taken_from_the_environment(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A proxy that is dead, and a .netrc that would make every request fail."""
    (tmp_path / "netrc").write_text("default login x password y\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    scene.kube.write(b"x")
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.lines == [b"x"])


async def test_more_streams_than_a_pool_holds_are_open_at_once(scene: Scene) -> None:
    """The library's own pool ends at 100, and the 101st request waits for ever."""
    api = ClusterApi(scene.kubeconfig, None, QUICK)
    query = [("container", "cost-model"), ("follow", "true")]
    streams = [await api.log("kubecost", scene.kube.pod_name, query) for _ in range(105)]
    assert scene.kube.open_follows == 105
    for stream in streams:
        await stream.close()
    await api.close()


def test_sockets_notice_a_dead_peer() -> None:
    with _socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
            assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30


@pytest.mark.parametrize("steps", range(20))
async def test_whoever_is_cancelled_while_a_client_is_made_leaves_none_open(scene: Scene, steps: int) -> None:
    made: list[aiohttp.ClientSession] = []

    def witnessed(**options: Any) -> aiohttp.ClientSession:
        made.append(aiohttp.ClientSession(**options))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "aiohttp", SimpleNamespace(**vars(aiohttp) | {"ClientSession": witnessed}))
        api = ClusterApi(scene.kubeconfig, None, QUICK)
        async with asyncio.TaskGroup() as tasks:
            opening = tasks.create_task(api.open())
            for _ in range(steps):
                await asyncio.sleep(0)
            opening.cancel()
        await api.close()
    assert [session for session in made if not session.closed] == []


async def test_a_client_in_use_is_not_closed_by_anothers_renewal(scene: Scene) -> None:
    api = ClusterApi(scene.kubeconfig, None, QUICK)
    await api.open()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(api.get("/api/v1/namespaces/kubecost/pods"))
            await asyncio.sleep(0)
            api._stale = True
    await api.close()
