"""What is written for people agrees with the program, and nothing of the makers' machines is in it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from tests.deployed import ROOT
from watcher import __version__
from watcher.cli import COMMANDS
from watcher.config import Config, load_config
from watcher.config_problems import keys_at
from watcher.config_yaml import Place, read_document

EXAMPLE = ROOT / "config.example.yaml"
# Put together here so that this file does not hold what it looks for.
FORBIDDEN = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "npmjs" + ".org",
    "npmjs" + ".com",
    "/wo" + "rk/",
    "/opt/py" + "pi",
    "/opt/wh" + "eels",
    "/ro" + "ot/",
    "/tm" + "p/v/",
]


def tracked() -> list[Path]:
    """The files of the project, as git knows them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def documented(value: object, place: Place = ()) -> Iterator[Place]:
    """Every key that a configuration shows, list items and names of stages left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*place, key)
            yield from documented(inner, (*place, key))
    elif isinstance(value, list):
        for inner in value:
            yield from documented(inner, (*place, 0))


def known(place: Place = ()) -> Iterator[Place]:
    """Every key that a configuration may have, with the example's own stage for all stages."""
    for key in keys_at(place, Config):
        inner: Place = (*place, key)
        yield inner
        many: dict[str, Place] = {"notify": (0,), "stage_options": ("cloudUsage",)}
        below: Place = (*inner, *many.get(key, ()))
        if below != inner and isinstance(below[-1], str):
            yield below
        if _is_section(inner) or below != inner:
            yield from known(below)


def _is_section(place: Place) -> bool:
    parent = keys_at(place[:-1], Config)
    return str(place[-1]) in parent and keys_at(place, Config) != parent


# ---- the example of the configuration -------------------------------------------------------------------------------


def test_the_example_shows_every_key_and_no_other() -> None:
    shown = set(documented(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))))
    assert shown == set(known())
    assert len(shown) > 40


def test_the_example_is_accepted_as_it_is() -> None:
    config = load_config(EXAMPLE, {})
    assert config.plan(config.load_profile()).stages


def test_the_example_says_the_default_of_every_key_and_has_it_where_there_is_one() -> None:
    """Every key has a comment right above it; a value that differs from the default shows the key at work."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    document = read_document(EXAMPLE)
    spoken = "\n".join(line for line in lines if line.lstrip().startswith("#"))
    assert spoken.count("efault") > 30
    sections = {
        place for place in document.lines if any(other[: len(place)] == place != other for other in document.lines)
    }
    group: set[Place] = {("logs", "deployment"), ("logs", "container")}  # explained with the key above them
    group |= {("stage_options", "cloudUsage", "patience", key) for key in ("start", "day")}
    leaves = [
        place for place in document.lines if place and isinstance(place[-1], str) and place not in sections | group
    ]
    for place in leaves:
        above = lines[document.lines[place] - 2]
        assert above.lstrip().startswith("#"), f"{place} has no comment above it"


@pytest.mark.parametrize(
    "key",
    ["name", "max_attempts", "kubecost", "logs", "state", "server"],
)
def test_what_the_example_shows_is_the_default(key: str) -> None:
    shown = getattr(load_config(EXAMPLE, {}), key)
    default = Config.model_fields[key].get_default()
    assert shown == default or (isinstance(shown, BaseModel) and shown.model_dump() == default.model_dump())


# ---- the words for people -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"(?:watcher|dev\.py|`) ?{command}\b", readme), f"README.md does not mention `watcher {command}`"


def test_the_readme_names_the_two_commands_that_set_everything_up() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "python3 dev.py simulate" in readme
    assert "python3 dev.py test" in readme
    assert "python3 dev.py test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_changelog_has_an_entry_for_what_is_next_or_for_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[?(?:Unreleased|{re.escape(__version__)})\b", changelog, re.MULTILINE)


@pytest.mark.parametrize(
    "page",
    sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("*.md"))
    + sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md")),
)
def test_links_inside_the_project_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target} does not exist"


# ---- what must not be in the project --------------------------------------------------------------------------------


def test_no_file_names_a_registry_or_a_path_of_somebodys_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {word}"
        for path in tracked()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        for word in FORBIDDEN
        if word in line
    ]
    assert found == []


# ---- the locks ------------------------------------------------------------------------------------------------------


def locked(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes of every package in a lock file."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if match := re.match(r"([a-z0-9-]+)==(\S+)", line):
            found[match[1]] = (match[2], frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", line)))
    return found


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-build.lock", "requirements-dev.lock"])
def test_every_locked_package_has_hashes_and_the_development_set_holds_all(name: str) -> None:
    packages = locked(name)
    assert packages
    assert all(hashes for _, hashes in packages.values())
    assert packages.items() <= locked("requirements-dev.lock").items()


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    def names(requirements: list[object]) -> set[str]:
        return {re.split(r"[<>=!~\[ ]", each)[0].lower() for each in requirements if isinstance(each, str)}

    groups = project["dependency-groups"]
    assert names(project["project"]["dependencies"]) <= set(locked("requirements.lock"))
    assert names(groups["build"]) <= set(locked("requirements-build.lock"))
    assert names(groups["dev"]) <= set(locked("requirements-dev.lock"))
    assert not names(groups["build"]) & set(locked("requirements.lock"))
