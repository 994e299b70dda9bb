"""What ``deploy/`` says, for the tests that hold the program to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
Manifest = dict[str, Any]
Right = tuple[str, str, str, frozenset[str]]


def manifests(name: str) -> list[Manifest]:
    """Every object of ``deploy/NAME.yaml``, in order."""
    return list(yaml.safe_load_all((ROOT / "deploy" / f"{name}.yaml").read_text(encoding="utf-8")))


def the(name: str, kind: str) -> Manifest:
    """The one object of a kind in ``deploy/NAME.yaml``."""
    (found,) = (each for each in manifests(name) if each["kind"] == kind)
    return found


def role_rules(name: str = "standalone") -> list[dict[str, list[str]]]:
    """The rules of the Role, as the manifest writes them (``simulator.access.grants_of_role`` takes them)."""
    rules: list[dict[str, list[str]]] = the(name, "Role")["rules"]
    return rules


def rights(name: str = "standalone") -> frozenset[Right]:
    """What the Role allows: (group, resource, verb, names); no names: every object."""
    return frozenset(
        (group, resource, verb, frozenset(rule.get("resourceNames", ())))
        for rule in role_rules(name)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    )
