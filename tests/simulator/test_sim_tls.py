"""The simulated API server over TLS, with an authority of its own."""

from __future__ import annotations

import base64
import ssl

import aiohttp
import pytest
import trustme

from watcher.simulator import Cluster, KubeServer


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def served_by(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_the_kubeconfig_holds_the_authority_that_signed_the_certificate(
    authority: trustme.CA, served_by: ssl.SSLContext
) -> None:
    async with KubeServer(Cluster(), ssl=served_by, ca=authority.cert_pem.bytes()) as server:
        cluster = server.kubeconfig()["clusters"][0]["cluster"]
        trusted = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        headers = {"Authorization": f"Bearer {server.token}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            url = f"{cluster['server']}/api/v1/namespaces/kubecost/pods"
            async with session.get(url, ssl=trusted) as response:
                assert (response.status, url.split(":", 1)[0]) == (200, "https")
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get(url)


async def test_without_an_authority_the_kubeconfig_says_not_to_check(served_by: ssl.SSLContext) -> None:
    async with KubeServer(Cluster(), ssl=served_by) as server:
        cluster = server.kubeconfig()["clusters"][0]["cluster"]
    assert cluster["insecure-skip-tls-verify"] is True
