"""Credentials, certificates and rights that change while the log is followed for days."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme
import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from kubernetes.aio.config import incluster_config

from tests.edges.listening import QUICK, Heard, Scene, clock, listening
from tests.edges.scripted_kube import Fault, ScriptedKube, serving, write_kubeconfig
from tests.virtual_cluster import VirtualCluster
from watcher.cluster import KubernetesSource
from watcher.face import readiness
from watcher.simulator.weather import Sky, Weather

PLACE: dict[str, Any] = {"namespace": "kubecost", "deployment": "kubecost-cost-analyzer", "container": "cost-model"}
V1 = "client.authentication.k8s.io/v1"


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No cluster and no kubeconfig of the machine that runs the tests."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def kube() -> ScriptedKube:
    kube = ScriptedKube()
    kube.write(b"one")
    return kube


class Door:
    """A TLS server in front of the API that takes the client certificates of one CA only."""

    def __init__(self, own: trustme.CA) -> None:
        self.own = own
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.own.issue_cert("127.0.0.1").configure_cert(self.context)
        self.context.verify_mode = ssl.CERT_REQUIRED

    def take(self, clients: trustme.CA) -> None:
        """From now on these clients, too."""
        clients.configure_trust(self.context)

    @asynccontextmanager
    async def serving(self, kube: ScriptedKube, port: int = 0) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/{path:.*}", kube._answer)
        runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.05)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=self.context).start()
        try:
            yield f"https://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def write_config(folder: Path, address: str, user: dict[str, Any], ca: bytes) -> Path:
    path = write_kubeconfig(folder / "kubeconfig", address, user)
    document = yaml.safe_load(path.read_text())
    document["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(ca).decode()
    path.write_text(yaml.safe_dump(document))
    return path


def follow(kubeconfig: Path) -> KubernetesSource:
    return KubernetesSource(**PLACE, kubeconfig=kubeconfig, rhythm=QUICK, clock=clock)


async def goes_on(heard: Heard, kube: ScriptedKube) -> None:
    kube.write(b"two")
    await heard.until(lambda: heard.lines == [b"one", b"two"])
    assert heard.gaps == []


@pytest.mark.parametrize("how", ["files", "data", "plugin"])
async def test_client_certificates_are_read_again_when_they_are_refused(
    tmp_path: Path, kube: ScriptedKube, how: str
) -> None:
    """The door's CA for clients is replaced: the next connection is refused in the handshake, until we renew ours."""
    clients = Clients(tmp_path, how)
    kube.takes_certificates = True
    server = trustme.CA()
    old, new = Door(server), Door(server)
    old.take(clients.first)
    new.take(clients.second)
    async with old.serving(kube) as address:
        kubeconfig = clients.write(clients.first, address, server)
        async with listening(follow(kubeconfig)) as heard:
            await heard.until(lambda: heard.lines == [b"one"])
    async with new.serving(kube, int(address.rsplit(":", 1)[1])), listening(follow(kubeconfig), heard.cursor) as later:
        await later.until(lambda: bool(later.losses))
        clients.write(clients.second, address, server)
        kube.write(b"two")
        await later.until(lambda: later.lines == [b"two"])
        assert later.gaps == []


class Clients:
    """Client certificates of two CAs, and a kubeconfig that leads to one of them in some way."""

    def __init__(self, folder: Path, how: str) -> None:
        self.first, self.second = trustme.CA(), trustme.CA()
        self._folder = folder
        self._how = how

    def write(self, ca: trustme.CA, address: str, server: trustme.CA) -> Path:
        issued = ca.issue_cert("watcher.example")
        pair = {
            "certificate": b"".join(pem.bytes() for pem in issued.cert_chain_pems),
            "key": issued.private_key_pem.bytes(),
        }
        files = {name: self._folder / f"client.{name}" for name in pair}
        for name, pem in pair.items():
            files[name].write_bytes(pem)
        match self._how:
            case "files":
                user: dict[str, Any] = {f"client-{name}": str(path) for name, path in files.items()}
            case "data":
                user = {f"client-{name}-data": base64.b64encode(pem).decode() for name, pem in pair.items()}
            case _:
                plugin = write_plugin(self._folder, files["certificate"], files["key"])
                user = {"exec": {"command": str(plugin), "apiVersion": V1}}
        return write_config(self._folder, address, user, server.cert_pem.bytes())


def write_plugin(folder: Path, certificate: Path, key: Path) -> Path:
    """An exec plugin that gives client certificates and no token."""
    plugin, answer = folder / "plugin", folder / "answer.json"
    pair = {"clientCertificateData": certificate.read_text(), "clientKeyData": key.read_text()}
    answer.write_text(json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": pair}))
    plugin.write_text(f"#!/bin/sh\ncat {answer}\n")
    plugin.chmod(0o755)
    return plugin


class PlainCA:
    """A CA whose certificates carry no key identifiers, as those of older clusters."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
        self._certificate = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None))

    @property
    def pem(self) -> bytes:
        return self._certificate.public_bytes(Encoding.PEM)

    def configure(self, context: ssl.SSLContext, folder: Path) -> None:
        """Let a server at 127.0.0.1 show a certificate of this CA."""
        key = ec.generate_private_key(ec.SECP256R1())
        server = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "apiserver")])
        certificate = self._sign(server, key, x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]))
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "apiserver.pem").write_bytes(plain + certificate.public_bytes(Encoding.PEM))
        context.load_cert_chain(folder / "apiserver.pem")

    def _sign(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)  # noqa: TID251 - certificates are checked by the real clock
        builder = x509.CertificateBuilder(self._name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        critical = isinstance(extension, x509.BasicConstraints)
        return builder.add_extension(extension, critical=critical).sign(self._key, hashes.SHA256())


async def test_a_ca_without_key_identifiers_is_taken_as_other_clients_take_it(
    tmp_path: Path, kube: ScriptedKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python is strict since 3.13: older clusters could not be talked to at all."""
    create = ssl.create_default_context

    def strict(*args: Any, **more: Any) -> ssl.SSLContext:
        context = create(*args, **more)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
    ca = PlainCA()
    door = Door(trustme.CA())
    door.context.verify_mode = ssl.CERT_NONE
    ca.configure(door.context, tmp_path)
    async with door.serving(kube) as address:
        kubeconfig = write_config(tmp_path, address, {"token": "first"}, ca.pem)
        async with listening(follow(kubeconfig)) as heard:
            await heard.until(lambda: heard.lines == [b"one"])
        assert heard.losses == []
        other = write_config(tmp_path, address, {"token": "first"}, PlainCA().pem)
        async with listening(follow(other)) as heard:
            await heard.until(lambda: any("certificate verify failed" in cause for cause in heard.losses))


# ---- in a pod


@asynccontextmanager
async def in_a_pod(
    tmp_path: Path, kube: ScriptedKube, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Path, KubernetesSource]]:
    """The token's file, and a source that uses it."""
    token, ca = tmp_path / "token", trustme.CA()
    token.write_text("first")
    ca.cert_pem.write_to_path(tmp_path / "ca.crt")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    app = web.Application()
    app.router.add_get("/{path:.*}", kube._answer)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(runner.addresses[0][1]))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    try:
        yield token, KubernetesSource(**PLACE, rhythm=QUICK, clock=clock)
    finally:
        await runner.cleanup()


class Later(datetime):
    """Two minutes from now on: the library reads the token again when a minute is over."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(minutes=2)  # noqa: TID251 - stands in for the clock


async def test_a_token_that_was_rotated_is_used_before_anybody_refuses_the_old_one(
    tmp_path: Path, kube: ScriptedKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens live for an hour and are taken a little longer: the file is read again each minute."""
    refused: list[str] = []
    answer = kube._answer

    async def overheard(request: web.Request) -> web.StreamResponse:
        refused.append(request.headers.get("Authorization", ""))
        return await answer(request)

    monkeypatch.setattr(kube, "_answer", overheard)
    async with in_a_pod(tmp_path, kube, monkeypatch) as (token, source), listening(source) as heard:
        await heard.until(lambda: heard.lines == [b"one"])
        token.write_text("second")
        kube.token = "second"
        refused.clear()
        monkeypatch.setattr(incluster_config, "datetime", SimpleNamespace(datetime=Later, timedelta=timedelta))
        await goes_on(heard, kube)
        assert set(refused) <= {"Bearer first", "Bearer second"}
        assert refused[-1] == "Bearer second"


@pytest.mark.parametrize("content", ["", None])
async def test_a_token_that_is_missing_for_a_moment_is_waited_for(
    tmp_path: Path, kube: ScriptedKube, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    async with in_a_pod(tmp_path, kube, monkeypatch) as (token, source), listening(source) as heard:
        await heard.until(lambda: heard.lines == [b"one"])
        token.unlink() if content is None else token.write_text(content)
        kube.token = "second"
        await heard.until(lambda: any("token" in cause.lower() for cause in heard.losses))
        token.write_text("second")
        await goes_on(heard, kube)


async def test_the_header_is_there_on_the_first_request(tmp_path: Path, kube: ScriptedKube) -> None:
    """A release of the library once left it out; the scripted server refuses a request without it."""
    async with serving(kube) as address:
        scene = Scene(kube, address, tmp_path)
        async with listening(scene.source()) as heard:
            await heard.until(lambda: heard.lines == [b"one"])
        assert heard.losses == []


async def test_a_server_that_moved_is_found_by_reading_the_kubeconfig_again(tmp_path: Path, kube: ScriptedKube) -> None:
    async with serving(kube) as address:
        scene = Scene(kube, address, tmp_path)
        source = scene.source()
        reading = listening(source)
        heard = await reading.__aenter__()
        await heard.until(lambda: heard.lines == [b"one"])
    async with serving(kube) as address:
        write_kubeconfig(scene.kubeconfig, address, {"token": "first"})
        await goes_on(heard, kube)
        await reading.__aexit__(None, None, None)


async def test_a_retry_after_of_a_day_is_not_obeyed(tmp_path: Path, kube: ScriptedKube) -> None:
    kube.faults.append(Fault("status", status=429, body="later", headers={"Retry-After": "86400"}))
    async with serving(kube) as address:
        scene = Scene(kube, address, tmp_path)
        async with listening(scene.source(replace(QUICK, asked_cap=0.1))) as heard:
            await heard.until(lambda: heard.lines == [b"one"])


# ---- rights


@pytest.mark.looptime(start=0)
async def test_rights_that_were_taken_away_are_shown_retried_slowly_and_cost_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """403 for an hour: readiness and the log say it, requests are few, and the log goes on where it was."""
    caplog.set_level("INFO")
    hour = 3600.0
    world = VirtualCluster(weather=Weather(calm_at=2 * hour, skies=((100.0, hour, Sky.FORBIDDEN),)))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(world.daemon().run())
        world.life.log.write(b"one")
        await asyncio.sleep(99)
        assert readiness(world.shell.state)[0]
        await asyncio.sleep(2)
        world.api.break_streams()
        world.life.log.write(b"two")
        await asyncio.sleep(600)
        ready, said = readiness(world.shell.state)
        assert not ready
        assert "403" in str(said["cause"])
        assert world.healthy() == (True, "")
        asked = world.asked
        await asyncio.sleep(hour / 2)
        assert world.asked - asked <= hour / 2 / 15 + 1
        await asyncio.sleep(hour)
        assert world.lines == [b"one", b"two"]
        assert world.shell.state.log.gaps == ()
        assert readiness(world.shell.state)[0]
        running.cancel()
    assert any("403" in record.getMessage() for record in caplog.records)
