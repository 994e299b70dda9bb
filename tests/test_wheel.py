"""The built wheel, installed somewhere else, is the whole product: code, pattern files, command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.deployed import ROOT
from watcher import __version__

TIMEOUT = 120  # seconds for one program; each needs a few


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program away from the checkout, so that it finds only what is installed."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "WATCHER_", "PIP_"))
    }
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment | {"NO_COLOR": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the checkout with the locked build backend, without network."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of an environment that holds the wheel; the libraries it needs are those of the tests."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    made = run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=venv.parent)
    assert made.returncode == 0, made.stderr
    binaries = venv / "bin"
    python = binaries / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    got = run(*pip, "install", "--quiet", "--no-index", "--no-deps", wheel, cwd=venv.parent)
    assert got.returncode == 0, got.stdout + got.stderr
    (site,) = (venv / "lib").glob("python*/site-packages")
    # Behind the environment's own folder on the path, and without the .pth files that would bring the checkout back.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return binaries


def test_the_wheel_holds_the_pattern_files_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    patterns = {
        f"watcher/_patterns/{path.relative_to(ROOT / 'patterns')}" for path in (ROOT / "patterns").rglob("*.yaml")
    }
    assert patterns
    assert patterns <= set(names)
    assert "watcher/py.typed" in names
    assert {name.split("/")[0] for name in names} == {"watcher", f"kubecost_repair_watcher-{__version__}.dist-info"}


def test_the_package_is_the_installed_one(installed: Path) -> None:
    found = run(installed / "python", "-c", "import watcher; print(watcher.__file__)", cwd=installed)
    assert found.stdout.startswith(str(installed.parent)), found.stdout + found.stderr


def test_the_installed_program_knows_its_version_and_profiles(installed: Path, tmp_path: Path) -> None:
    told = run(installed / "watcher", "version", "--output", "json", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    document = json.loads(told.stdout)
    assert document["version"] == __version__
    assert document["profiles"] == sorted(path.stem for path in (ROOT / "patterns").glob("*.yaml"))


def test_the_installed_program_repairs_a_simulated_kubecost(installed: Path, tmp_path: Path) -> None:
    """The quick start: a whole run over real sockets, every stage done, exit code 0."""
    done = run(installed / "watcher", "simulate", "--scenario", "happy", "--output", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["run"]["state"] == "done"
    assert {stage["state"] for stage in document["stages"]} == {"done"}


def test_what_the_wheel_asks_for_is_what_the_project_says(wheel: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = next(name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".dist-info/METADATA"))
    text = zipfile.ZipFile(wheel).read(metadata).decode()
    asked = [line.removeprefix("Requires-Dist: ") for line in text.splitlines() if line.startswith("Requires-Dist: ")]
    assert sorted(line.split("<")[0].split(">")[0] for line in asked) == sorted(
        line.split("<")[0].split(">")[0] for line in project["dependencies"]
    )
