"""The manifests and the image: what the API would accept, what is granted, and that the parts fit each other."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deployed import ROOT, Manifest, manifests, rights, role_rules, the
from watcher import __version__
from watcher.config import Config, load_config
from watcher.simulator.access import Access, grants_of_role
from watcher.simulator.status import Action

WAYS = ("standalone", "sidecar")
# The first Kubernetes in which native sidecars are on by default, and the newest that the schemas know.
VERSIONS = ("1.29", kubernetes_validate.latest_version())
DEPLOYMENT = "kubecost-cost-analyzer"


def cost_analyzer() -> Manifest:
    """A deployment like the one Helm makes, as far as the patch touches it."""
    labels = {"app.kubernetes.io/name": "cost-analyzer", "app.kubernetes.io/instance": "kubecost"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": DEPLOYMENT, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": "kubecost-cost-analyzer",
                    "securityContext": {"runAsUser": 1001, "fsGroup": 1001},
                    "initContainers": [{"name": "config-db-permissions-fix", "image": "busybox"}],
                    "containers": [
                        {
                            "name": "cost-model",
                            "image": "cost-model",
                            "ports": [{"name": "model", "containerPort": 9003}],
                        },
                        {"name": "cost-analyzer-frontend", "image": "frontend"},
                    ],
                    "volumes": [{"name": "persistent-configs", "emptyDir": {}}],
                },
            },
        },
    }


def merged(target: Any, patch: Any) -> Any:
    """``target`` after a strategic merge patch, as far as ours goes: lists of named things are merged by name."""
    if isinstance(target, dict) and isinstance(patch, dict):
        return target | {key: merged(target[key], each) if key in target else each for key, each in patch.items()}
    if isinstance(target, list) and isinstance(patch, list) and all("name" in each for each in (*target, *patch)):
        by_name = {each["name"]: each for each in target}
        by_name |= {each["name"]: merged(by_name.get(each["name"], {}), each) for each in patch}
        return list(by_name.values())
    return patch


def deployment(way: str) -> Manifest:
    """The deployment that runs after the manifests were applied."""
    own = the(way, "Deployment")
    return own if way == "standalone" else merged(cost_analyzer(), own)


def pod(way: str) -> Manifest:
    spec: Manifest = deployment(way)["spec"]["template"]["spec"]
    return spec


def container(way: str) -> Manifest:
    """The container of the watcher."""
    containers = pod(way)["containers"] if way == "standalone" else pod(way)["initContainers"]
    (found,) = (each for each in containers if each["image"].startswith("kubecost-repair-watcher:"))
    assert isinstance(found, dict)
    return found


def security(way: str) -> Manifest:
    """What holds for the container: its own security context over that of its pod."""
    both: Manifest = pod(way).get("securityContext", {}) | container(way)["securityContext"]
    return both


def config(way: str, folder: Path) -> Config:
    """The configuration in the ConfigMap, read as the daemon would."""
    path = folder / "config.yaml"
    path.write_text(the(way, "ConfigMap")["data"]["config.yaml"], encoding="utf-8")
    return load_config(path, {})


# ---- what the API would say -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("way", WAYS)
def test_every_object_has_the_shape_that_the_api_knows(way: str, version: str) -> None:
    """The API's own schemas, strict: an unknown field is an error. The patch is judged merged, as it will be stored."""
    for manifest in manifests(way):
        whole = deployment(way) if manifest["kind"] == "Deployment" else manifest
        kubernetes_validate.validate(whole, version, strict=True)


def test_the_schemas_would_find_a_field_that_does_not_exist() -> None:
    wrong = copy.deepcopy(deployment("standalone"))
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


@pytest.mark.parametrize("way", WAYS)
def test_objects_do_not_choose_their_namespace_and_are_labelled_alike(way: str) -> None:
    for manifest in manifests(way):
        assert "namespace" not in manifest["metadata"]
        if manifest["metadata"]["name"] != DEPLOYMENT:
            labels = manifest["metadata"]["labels"]
            assert labels["app.kubernetes.io/name"] == "kubecost-repair-watcher"
            assert labels["app.kubernetes.io/instance"] == way


# ---- what is granted ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_the_role_grants_what_the_program_does_and_nothing_else(way: str) -> None:
    anything: frozenset[str] = frozenset()
    assert rights(way) == {
        ("apps", "deployments", "get", frozenset({DEPLOYMENT})),
        ("apps", "replicasets", "get", anything),
        ("", "pods", "get", anything),
        ("", "pods", "list", anything),
        ("", "pods/log", "get", anything),
    }


@pytest.mark.parametrize(
    ("group", "resource", "verb", "name", "allowed"),
    [
        ("apps", "deployments", "get", DEPLOYMENT, True),
        ("apps", "deployments", "get", "another", False),
        ("apps", "deployments", "list", None, False),
        ("apps", "deployments", "patch", DEPLOYMENT, False),
        ("", "pods", "list", None, True),
        ("", "pods", "delete", "a", False),
        ("", "pods/log", "get", "a", True),
        ("", "pods/exec", "create", "a", False),
        ("", "secrets", "get", "a", False),
    ],
)
def test_an_api_with_this_role_decides_so(
    group: str, resource: str, verb: str, name: str | None, allowed: bool
) -> None:
    access = Access("token", "user", grants_of_role(role_rules()))
    action = Action(group, resource, verb, "kubecost", name)
    assert access.allows(action) is allowed


@pytest.mark.parametrize("way", WAYS)
def test_the_role_is_bound_to_the_account_of_the_pod(way: str, tmp_path: Path) -> None:
    role, binding = the(way, "Role"), the(way, "RoleBinding")
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": role["metadata"]["name"],
    }
    (subject,) = binding["subjects"]
    assert subject["kind"] == "ServiceAccount"
    assert subject["name"] == pod(way)["serviceAccountName"]
    assert subject["namespace"] == config(way, tmp_path).logs.namespace


def test_only_the_pod_of_the_watcher_gets_a_token() -> None:
    account = the("standalone", "ServiceAccount")
    assert account["metadata"]["name"] == pod("standalone")["serviceAccountName"]
    assert account["automountServiceAccountToken"] is False
    assert pod("standalone")["automountServiceAccountToken"] is True


# ---- what runs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_the_configuration_is_sound_and_fits_the_manifests(way: str, tmp_path: Path) -> None:
    given = config(way, tmp_path)
    assert [stage.name for stage in given.plan(given.load_profile()).stages]
    assert {(name, verb) for _, kind, verb, names in rights(way) if kind == "deployments" for name in names} == {
        (given.logs.deployment, "get")
    }
    mounts = {mount["name"]: Path(mount["mountPath"]) for mount in container(way)["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod(way)["volumes"]}
    assert set(mounts) <= set(volumes)
    kinds = {name: next(kind for kind in volumes[name] if kind != "name") for name in mounts}
    (claim,) = (name for name, kind in kinds.items() if kind == "persistentVolumeClaim")
    (map_,) = (name for name, kind in kinds.items() if kind == "configMap")
    assert given.state_path.parent == mounts[claim]
    assert volumes[claim]["persistentVolumeClaim"]["claimName"] == the(way, "PersistentVolumeClaim")["metadata"]["name"]
    assert volumes[map_]["configMap"]["name"] == the(way, "ConfigMap")["metadata"]["name"]
    arguments = container(way)["args"]
    assert arguments[0] == "run"
    assert arguments[arguments.index("--config") + 1] == str(mounts[map_] / "config.yaml")


@pytest.mark.parametrize("way", WAYS)
def test_it_listens_where_it_is_asked(way: str, tmp_path: Path) -> None:
    (port,) = container(way)["ports"]
    assert config(way, tmp_path).server.listen == f"0.0.0.0:{port['containerPort']}"
    probes = {key: each["httpGet"] for key, each in container(way).items() if key.endswith("Probe")}
    assert {probe["port"] for probe in probes.values()} == {port["name"]}
    paths = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert {key: probe["path"] for key, probe in probes.items()} == {key: paths[key] for key in probes}


def test_the_pod_of_its_own_has_every_probe_and_a_service_that_finds_it() -> None:
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container("standalone"))
    service, labels = the("standalone", "Service"), deployment("standalone")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert service["spec"]["ports"][0]["targetPort"] == container("standalone")["ports"][0]["name"]


def test_there_is_one_at_a_time() -> None:
    spec = deployment("standalone")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    selector, labels = spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]
    assert selector.items() <= labels.items()


def test_the_sidecar_adds_to_the_pod_and_cannot_take_kubecost_down() -> None:
    """A native sidecar without probes that Kubernetes would count as Kubecost's own."""
    before, after = cost_analyzer()["spec"]["template"]["spec"], pod("sidecar")
    assert container("sidecar")["restartPolicy"] == "Always"
    assert not {"startupProbe", "readinessProbe", "lifecycle"} & set(container("sidecar"))
    assert {each["name"] for each in after["initContainers"]} == {"config-db-permissions-fix", "repair-watcher"}
    after["initContainers"] = [each for each in after["initContainers"] if each["name"] != "repair-watcher"]
    after["volumes"] = [each for each in after["volumes"] if not each["name"].startswith("repair-watcher")]
    assert after == before
    assert the("sidecar", "Deployment")["spec"].keys() == {"template"}


@pytest.mark.parametrize("way", WAYS)
def test_it_has_no_rights_on_its_node(way: str) -> None:
    context = security(way)
    assert context["runAsNonRoot"] is True
    assert (context["runAsUser"], context["runAsGroup"]) == (65532, 65532)
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(way)["resources"]["limits"]["memory"]
    writable = {mount["mountPath"] for mount in container(way)["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/var/lib/watcher", "/tmp"}  # noqa: S108  a mount point
    assert way == "sidecar" or pod(way)["securityContext"]["fsGroup"] == context["runAsGroup"]


# ---- the image ------------------------------------------------------------------------------------------------------


def dockerfile() -> list[str]:
    """The instructions, continued lines joined, comments left out."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_image_runs_as_the_manifests_expect() -> None:
    last_stage = dockerfile()[max(at for at, line in enumerate(dockerfile()) if line.startswith("FROM")) :]
    assert "USER 65532:65532" in last_stage
    assert 'ENTRYPOINT ["watcher"]' in last_stage
    assert "WORKDIR /var/lib/watcher" in last_stage
    assert not [line for line in last_stage if line.startswith(("RUN", "VOLUME", "ADD"))]
    for way in WAYS:
        assert container(way)["image"] == f"kubecost-repair-watcher:{__version__}"


def test_the_image_installs_nothing_without_a_hash() -> None:
    installs = [part for line in dockerfile() for part in line.split("&&") if "pip" in part and " install " in part]
    assert len(installs) == 3
    for install in installs:
        assert "--require-hashes" in install or "--no-index" in install
    assert all(
        re.match(r"FROM python:\$\{PYTHON\}( AS \w+)?$", line) for line in dockerfile() if line.startswith("FROM")
    )
    assert re.search(r"^ARG PYTHON=3\.\d+-slim-\w+$", "\n".join(dockerfile()), re.MULTILINE)


def test_the_image_is_given_every_file_that_it_copies() -> None:
    given = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        source.removeprefix("./")
        for line in dockerfile()
        if line.startswith("COPY") and "--from" not in line
        for source in line.split()[1:-1]
    }
    assert copied == given
    assert all((ROOT / name).exists() for name in copied)


def test_the_manifests_are_plain_yaml() -> None:
    """No anchors: they do not reach from one document to the next, and readers need not look things up."""
    for way in WAYS:
        text = (ROOT / "deploy" / f"{way}.yaml").read_text(encoding="utf-8")
        tokens = [type(token) for token in yaml.scan(text)]
        assert yaml.AnchorToken not in tokens
        assert yaml.AliasToken not in tokens
