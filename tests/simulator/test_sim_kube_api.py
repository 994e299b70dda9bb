"""The objects the simulated API server shows, who may see them, and how a watch tells their changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from watcher.simulator import Cluster, Death, Grant, KubeServer, grants_of_role
from watcher.simulator.access import Access
from watcher.simulator.objects import Pod

APPS = "/apis/apps/v1/namespaces/kubecost"
CORE = "/api/v1/namespaces/kubecost"
DEPLOYMENT = "kubecost-cost-analyzer"


@dataclass(slots=True)
class Served:
    """A cluster with one pod, not started, and a client of it."""

    server: KubeServer
    session: aiohttp.ClientSession

    @property
    def cluster(self) -> Cluster:
        return self.server.cluster

    @property
    def access(self) -> Access:
        return self.server.access

    @property
    def pod(self) -> Pod:
        return self.cluster.pod

    @property
    def url(self) -> str:
        return self.server.url

    def start(self) -> None:
        self.cluster.start(self.pod, reversed(self.pod.containers))


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    cluster = Cluster()
    cluster.add_pod()
    async with (
        KubeServer(cluster, token="good") as server,
        aiohttp.ClientSession(headers={"Authorization": "Bearer good"}) as session,
    ):
        yield Served(server, session)


async def get(served: Served, path: str, **query: str) -> dict[str, Any]:
    async with served.session.get(served.url + path, params=query) as response:
        body: dict[str, Any] = await response.json()
        return body


async def get_log(served: Served) -> tuple[int, bytes]:
    url = f"{served.url}{CORE}/pods/{served.pod.name}/log"
    async with served.session.get(url, params={"container": "cost-model"}) as response:
        return response.status, await response.read()


async def status_of_container(served: Served) -> dict[str, Any]:
    pod = await get(served, f"{CORE}/pods/{served.pod.name}")
    return next(one for one in pod["status"]["containerStatuses"] if one["name"] == "cost-model")


async def test_a_pod_leads_to_its_deployment_by_owner_references(served: Served) -> None:
    deployment = await get(served, f"{APPS}/deployments/{DEPLOYMENT}")
    labels = deployment["spec"]["selector"]["matchLabels"]
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    stray = served.cluster.add_stray_pod()
    pods = (await get(served, f"{CORE}/pods", labelSelector=selector))["items"]
    assert {pod["metadata"]["name"] for pod in pods} == {served.pod.name, stray.name}
    owners = {pod["metadata"]["name"]: pod["metadata"]["ownerReferences"][0] for pod in pods}
    assert owners[stray.name]["kind"] == "Job"
    replica_set = await get(served, f"{APPS}/replicasets/{owners[served.pod.name]['name']}")
    assert replica_set["metadata"]["uid"] == owners[served.pod.name]["uid"]
    assert replica_set["metadata"]["ownerReferences"][0]["uid"] == deployment["metadata"]["uid"]
    listed = await get(served, f"{APPS}/replicasets", labelSelector=selector)
    assert [one["metadata"]["uid"] for one in listed["items"]] == [replica_set["metadata"]["uid"]]


async def test_a_rollout_leaves_the_old_replica_set_without_replicas(served: Served) -> None:
    served.cluster.roll_out()
    listed = (await get(served, f"{APPS}/replicasets"))["items"]
    assert [one["spec"]["replicas"] for one in listed] == [0, 1]


async def test_the_states_of_a_container_from_creation_to_back_off(served: Served) -> None:
    shown = await status_of_container(served)
    assert shown["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert (shown["containerID"], shown["restartCount"]) == ("", 0)
    served.start()
    first = await status_of_container(served)
    assert "running" in first["state"]
    assert (first["ready"], first["lastState"]) == (False, {})
    served.cluster.set_ready(served.pod)
    assert (await status_of_container(served))["ready"] is True
    served.cluster.die(served.pod, Death("OOMKilled", 137))
    dead = await status_of_container(served)
    assert dead["state"]["terminated"]["reason"] == "OOMKilled"
    assert dead["state"]["terminated"]["exitCode"] == 137
    assert dead["ready"] is False
    served.cluster.back_off(served.pod)
    waiting = await status_of_container(served)
    assert waiting["state"] == {"waiting": {"reason": "CrashLoopBackOff"}}
    assert waiting["lastState"]["terminated"]["containerID"] == first["containerID"]
    served.cluster.start(served.pod)
    again = await status_of_container(served)
    assert again["restartCount"] == 1
    assert again["containerID"] != first["containerID"]
    assert again["lastState"]["terminated"]["containerID"] == first["containerID"]


async def test_the_memory_limit_is_in_the_spec(served: Served) -> None:
    pod = await get(served, f"{CORE}/pods/{served.pod.name}")
    assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == "2Gi"


async def test_scaling_adds_and_deletes_pods(served: Served) -> None:
    first = served.pod
    served.cluster.scale(3)
    assert len((await get(served, f"{CORE}/pods"))["items"]) == 3
    served.cluster.scale(1)
    assert [pod["metadata"]["name"] for pod in (await get(served, f"{CORE}/pods"))["items"]] == [first.name]
    assert (await get(served, f"{APPS}/deployments/{DEPLOYMENT}"))["spec"]["replicas"] == 1


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("app=cost-analyzer", True),
        ("app==other", False),
        ("app!=other", True),
        ("app in (other, cost-analyzer)", True),
        ("app notin (other)", True),
        ("app,!absent", True),
        ("absent", False),
        ("app=cost-analyzer,app.kubernetes.io/name in (x,y)", False),
    ],
)
async def test_label_selectors(served: Served, selector: str, found: bool) -> None:
    assert bool((await get(served, f"{CORE}/pods", labelSelector=selector))["items"]) is found


async def test_selectors_that_mean_nothing_are_refused(served: Served) -> None:
    assert (await get(served, f"{CORE}/pods", labelSelector="a b"))["code"] == 400
    assert (await get(served, f"{CORE}/pods", fieldSelector="status.phase=Running"))["code"] == 400
    assert len((await get(served, f"{CORE}/pods", fieldSelector=f"metadata.name={served.pod.name}"))["items"]) == 1


async def test_what_is_not_there_is_404(served: Served) -> None:
    assert (await get(served, f"{APPS}/deployments/x"))["message"] == 'deployments.apps "x" not found'
    assert (await get(served, "/apis/apps/v1/namespaces/other/deployments/x"))["code"] == 404
    assert (await get(served, "/api/v1/namespaces/other/pods"))["items"] == []
    assert (await get(served, "/nonsense"))["code"] == 404


@pytest.mark.parametrize("authorization", ["", "Bearer bad", "Basic good", "good"])
async def test_without_a_good_token_everything_is_401(served: Served, authorization: str) -> None:
    for path in (f"{CORE}/pods", f"{CORE}/pods/x/log", f"{APPS}/deployments/{DEPLOYMENT}", "/nonsense"):
        async with served.session.get(served.url + path, headers={"Authorization": authorization}) as response:
            assert response.status == 401
            assert (await response.json())["message"] == "Unauthorized"


async def test_a_role_grants_what_it_names_and_nothing_else(served: Served) -> None:
    served.start()
    served.access.grants = grants_of_role(
        [
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"], "resourceNames": [DEPLOYMENT]},
            {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"]},
        ]
    )
    assert (await get(served, f"{APPS}/deployments/{DEPLOYMENT}"))["kind"] == "Deployment"
    assert (await get(served, f"{APPS}/deployments/other"))["message"] == (
        'deployments.apps "other" is forbidden: User "system:serviceaccount:kubecost:watcher" cannot get resource '
        '"deployments" in API group "apps" in the namespace "kubecost"'
    )
    assert (await get_log(served))[0] == 200
    refused = await get(served, f"{CORE}/pods")
    assert refused["code"] == 403
    assert refused["message"].startswith("pods is forbidden: User")
    assert (await get(served, f"{CORE}/pods", watch="true"))["code"] == 403


async def test_a_missing_grant_for_logs_is_403_for_pods_that_do_not_exist_too(served: Served) -> None:
    served.access.grants = frozenset({Grant("", "pods", "get")})
    refused = await get(served, f"{CORE}/pods/nope/log")
    assert refused["code"] == 403
    assert 'cannot get resource "pods/log" in API group ""' in refused["message"]


async def test_one_can_ask_what_one_may_do(served: Served) -> None:
    served.access.grants = frozenset({Grant("", "pods/log", "get")})
    url = f"{served.url}/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    for subresource, allowed in (("log", True), ("exec", False)):
        asked = {"verb": "get", "resource": "pods", "subresource": subresource, "namespace": "kubecost"}
        async with served.session.post(url, json={"spec": {"resourceAttributes": asked}}) as response:
            assert (await response.json())["status"]["allowed"] is allowed


async def test_a_watch_shows_what_is_there_then_every_change(served: Served) -> None:
    async with (
        asyncio.timeout(2),
        served.session.get(f"{served.url}{CORE}/pods", params={"watch": "true"}) as response,
    ):
        first = json.loads(await response.content.readline())
        assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", served.pod.name)
        served.start()
        started = json.loads(await response.content.readline())
        assert started["type"] == "MODIFIED"
        assert "running" in started["object"]["status"]["containerStatuses"][0]["state"]
        served.cluster.delete_pod(served.pod)
        kinds = [json.loads(await response.content.readline())["type"] for _ in range(2)]
        assert kinds == ["MODIFIED", "DELETED"]


async def test_a_watch_from_a_list_misses_nothing_in_between(served: Served) -> None:
    version = (await get(served, f"{CORE}/pods"))["metadata"]["resourceVersion"]
    served.start()
    query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "0.1"}
    async with served.session.get(f"{served.url}{CORE}/pods", params=query) as response:
        lines = (await response.read()).splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["MODIFIED"]


async def test_a_watch_from_too_long_ago_is_told_so_inside_the_stream(served: Served) -> None:
    version = (await get(served, f"{CORE}/pods"))["metadata"]["resourceVersion"]
    served.start()
    served.cluster.forget_history()
    query = {"watch": "true", "resourceVersion": version}
    async with served.session.get(f"{served.url}{CORE}/pods", params=query) as response:
        event = json.loads(await response.read())
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


async def test_bookmarks_come_where_they_are_wanted(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.simulator.watch_api.BOOKMARK_SECONDS", 0.02)
    version = str(served.cluster.version)
    query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
    async with served.session.get(f"{served.url}{CORE}/pods", params=query) as response:
        event = json.loads(await response.content.readline())
    assert event["type"] == "BOOKMARK"
    assert event["object"]["metadata"]["resourceVersion"] == version
