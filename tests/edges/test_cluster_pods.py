"""From API objects to decisions: whose log is served, which pod is ours, how long to wait."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.edges.listening import QUICK, Scene, listening
from tests.edges.scripted_kube import LABELS, ScriptedKube, serving
from watcher.cluster.api import Trouble
from watcher.cluster.finder import Finder, selects, spell_selector
from watcher.cluster.pods import Death, container_names, read_pod
from watcher.cluster.rhythm import Backoff, Rhythm
from watcher.cluster.transport import ClusterApi


def pod(status: dict[str, Any] | None, phase: str = "Running", kind: str = "containerStatuses") -> dict[str, Any]:
    statuses = {} if status is None else {kind: [{"name": "cost-model"} | status]}
    return {"metadata": {"name": "p", "uid": "u"}, "spec": None, "status": {"phase": phase} | statuses}


def ended(identity: str, code: int = 1) -> dict[str, Any]:
    return {"terminated": {"containerID": identity, "exitCode": code, "reason": "Error"}}


SERVED = [
    ("running", {"containerID": "a", "state": {"running": {}}}, "a", True),
    ("terminated", {"containerID": "a", "state": ended("a")}, "a", False),
    ("crash loop", {"containerID": "a", "state": {"waiting": {"reason": "X"}}, "lastState": ended("a")}, "a", False),
    ("restarted", {"containerID": "b", "state": {"running": {}}, "lastState": ended("a")}, "b", True),
    ("creating", {"state": {"waiting": {"reason": "ContainerCreating"}}}, None, False),
    ("nothing known", {"state": {}, "lastState": None}, None, False),
    ("running, no id", {"state": {"running": {}}, "restartCount": 3}, "restart 3", True),
    ("ended, no id", {"state": {"terminated": {"exitCode": 0}}, "restartCount": 3}, "restart 3", False),
    ("no status at all", None, "restart 0", True),
]


@pytest.mark.parametrize(("status", "identity", "running"), [row[1:] for row in SERVED], ids=[row[0] for row in SERVED])
def test_whose_log_is_served(status: dict[str, Any] | None, identity: str | None, running: bool) -> None:
    found = read_pod(pod(status), "cost-model")
    assert (found.container_id, found.running) == (identity, running)


@pytest.mark.parametrize("kind", ["containers", "initContainers", "ephemeralContainers"])
def test_a_container_is_found_among_those_of_every_kind(kind: str) -> None:
    """A sidecar stands among the init containers."""
    status = {"containerID": "a", "state": {"running": {}}, "ready": True}
    raw = pod(status, kind=f"{kind.removesuffix('s')}Statuses") | {"spec": {kind: [{"name": "cost-model"}]}}
    found = read_pod(raw, "cost-model")
    assert (found.container_id, found.ready) == ("a", True)
    assert container_names(raw) == ["cost-model"]


def test_a_server_without_container_ids_still_tells_lives_apart() -> None:
    before = read_pod(pod({"state": {"running": {}}, "restartCount": 1}), "cost-model")
    looping = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1}}}
    waiting = read_pod(pod(looping | {"restartCount": 1}), "cost-model")
    after = {"state": {"running": {}}, "lastState": {"terminated": {"exitCode": 1}}, "restartCount": 2}
    again = read_pod(pod(after), "cost-model")
    assert before.container_id == waiting.container_id == "restart 1"
    assert again.last_death is not None
    assert (again.container_id, again.last_death.container_id) == ("restart 2", "restart 1")


@pytest.mark.parametrize(
    ("death", "limit", "told"),
    [
        (Death("a", "OOMKilled", 137), "2Gi", "OOMKilled, exit code 137, memory limit 2Gi"),
        (Death("a", "OOMKilled", 137), None, "OOMKilled, exit code 137, no memory limit of its own"),
        (Death("a", "Error", 2), "2Gi", "Error, exit code 2"),
        (Death("a", "", None), None, "the container ended"),
    ],
)
def test_a_death_in_words(death: Death, limit: str | None, told: str) -> None:
    assert death.tell(limit) == told


SELECTOR = {
    "matchLabels": {"app": "a"},
    "matchExpressions": [
        {"key": "tier", "operator": "In", "values": ["x", "y"]},
        {"key": "zone", "operator": "NotIn", "values": ["z"]},
        {"key": "on", "operator": "Exists"},
        {"key": "off", "operator": "DoesNotExist"},
    ],
}


def test_a_selector_is_spelt_for_the_api() -> None:
    assert spell_selector(SELECTOR) == "app=a,tier in (x,y),zone notin (z),on,!off"


@pytest.mark.parametrize(
    ("labels", "taken"),
    [
        ({"app": "a", "tier": "y", "on": ""}, True),
        ({"app": "b", "tier": "y", "on": ""}, False),
        ({"app": "a", "tier": "q", "on": ""}, False),
        ({"app": "a", "on": ""}, False),
        ({"app": "a", "tier": "y"}, False),
        ({"app": "a", "tier": "y", "on": "", "zone": "z"}, False),
        ({"app": "a", "tier": "y", "on": "", "off": ""}, False),
    ],
)
def test_a_selector_is_applied_by_us_too(labels: dict[str, str], taken: bool) -> None:
    assert selects(SELECTOR, labels) is taken


# ---- finding


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    kube = ScriptedKube()
    async with serving(kube) as address:
        yield Scene(kube, address, tmp_path)


@pytest.fixture
async def finder(scene: Scene) -> AsyncIterator[Finder]:
    api = ClusterApi(scene.kubeconfig, None, QUICK)
    yield Finder(api, "kubecost", "kubecost-cost-analyzer", "cost-model")
    await api.close()


def stray(kube: ScriptedKube, name: str, **meta: Any) -> dict[str, Any]:
    made = copy.deepcopy(kube.manifest())
    made["metadata"] |= {"name": name, "uid": name, "creationTimestamp": "2024-01-01T00:00:00Z"} | meta
    kube.strays.append(made)
    return made


def owner(name: str) -> list[dict[str, Any]]:
    return [{"kind": "ReplicaSet", "name": name, "uid": f"rs-{name}", "controller": True}]


async def test_a_pod_with_our_labels_and_another_owner_is_not_ours(scene: Scene, finder: Finder) -> None:
    stray(scene.kube, "foreign", ownerReferences=owner("kubecost-cost-analyzer-other"))
    stray(scene.kube, "unlabelled", labels={"app": "cost-analyzer"})
    stray(scene.kube, "of-a-job", ownerReferences=[{"kind": "Job", "name": "j", "uid": "j", "controller": True}])
    found = await finder.find()
    assert found is not None
    assert found.name == scene.kube.pod_name


@pytest.mark.parametrize("status", [403, 404, 501])
async def test_without_replica_sets_the_owners_name_has_to_do(scene: Scene, finder: Finder, status: int) -> None:
    scene.kube.refused_kinds, scene.kube.refused_with = {"replicasets"}, status
    stray(scene.kube, "foreign", ownerReferences=owner("something-else-7f"))
    found = await finder.find()
    assert found is not None
    assert found.name == scene.kube.pod_name


async def test_a_pod_without_an_owner_is_known_by_its_labels(scene: Scene, finder: Finder) -> None:
    scene.kube.deleting = True
    stray(scene.kube, "bare", ownerReferences=[], labels=LABELS)
    found = await finder.find()
    assert found is not None
    assert found.name == "bare"


async def test_the_followed_pod_is_kept_while_it_lasts_and_the_newest_running_is_next(
    scene: Scene, finder: Finder
) -> None:
    newer = stray(scene.kube, "newer", ownerReferences=owner("kubecost-cost-analyzer-7f"))
    newest = stray(scene.kube, "newest", ownerReferences=owner("kubecost-cost-analyzer-7f"))
    newest["metadata"]["creationTimestamp"] = "2024-06-01T00:00:00Z"
    newest["status"]["containerStatuses"][1] |= {"state": {"waiting": {}}, "lastState": {}}
    stray(scene.kube, "evicted", ownerReferences=owner("kubecost-cost-analyzer-7f"))["status"]["phase"] = "Failed"
    for followed, expected in (
        ("uid-1", scene.kube.pod_name),
        (None, "newer"),
        ("newest", "newest"),
        ("gone", "newer"),
    ):
        found = await finder.find(followed)
        assert found is not None
        assert found.name == expected
    newer["metadata"]["deletionTimestamp"] = "2024-06-02T00:00:00Z"
    found = await finder.find("newer")
    assert found is not None
    assert found.name == scene.kube.pod_name


async def test_a_container_that_the_pod_does_not_have_is_named_with_those_it_has(scene: Scene) -> None:
    async with listening(scene.source(container="cost-modle")) as heard:
        await heard.until(lambda: bool(heard.losses))
    assert "no container 'cost-modle' (it has frontend, cost-model)" in heard.losses[0]


async def test_a_deployment_that_is_missing_is_waited_for(scene: Scene) -> None:
    scene.kube.refused_kinds, scene.kube.refused_with = {"deployments"}, 404
    async with listening(scene.source()) as heard:
        await heard.until(lambda: bool(heard.losses))
        assert "deployments/kubecost-cost-analyzer" in heard.losses[0]
        scene.kube.refused_kinds = set()
        scene.kube.write(b"x")
        await heard.until(lambda: heard.lines == [b"x"])


async def test_the_api_says_its_trouble_in_one_line(scene: Scene, finder: Finder) -> None:
    scene.kube.refused_kinds, scene.kube.refused_with = {"deployments"}, 500
    with pytest.raises(Trouble) as caught:
        await finder.find()
    assert caught.value.status == 500
    assert caught.value.cause.endswith("500 deployments are not for you")


# ---- the rhythm


def test_the_rhythm_follows_the_shortest_patience() -> None:
    short, long = Rhythm.for_patience(timedelta(seconds=1)), Rhythm.for_patience(timedelta(hours=2))
    assert long == Rhythm()
    assert short.probe_idle + short.stall < 1
    assert short.settle <= 0.1
    assert short.backoff_cap <= 1
    assert short.lifetime == long.lifetime


def test_pauses_grow_to_the_cap_and_begin_anew_with_progress() -> None:
    backoff = Backoff(Rhythm(), lambda: 1.0)
    pauses = [backoff.pause() for _ in range(2000)]
    assert pauses[:4] == [0.2, 0.4, 0.8, 1.6]
    assert pauses[-1] == 30.0
    assert backoff.pause(45.0) == 45.0
    backoff.progress()
    assert backoff.pause() == 0.2
    assert Backoff(Rhythm(), lambda: 0.0).pause() == 0.1
