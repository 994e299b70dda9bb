#!/usr/bin/env python3
"""Everything a developer needs, on a machine that has nothing but Python.

    python3 dev.py simulate [ARGS]    the product against its embedded Kubecost: `watcher simulate ARGS`
    python3 dev.py soak [N] [ARGS]    N seeds of the simulation in virtual time (1000), in all cores
    python3 dev.py kills [N] [ARGS]   one run over real sockets, killed N times (200)
    python3 dev.py test [ARGS]        the tests: `pytest ARGS`
    python3 dev.py bench [ARGS]       how fast it is, beside its peers, in one run (`bench --help`)
    python3 dev.py check              format, lint, types, import contracts
    python3 dev.py fix                format, and repair what the linter can repair
    python3 dev.py run PROGRAM [ARGS] any program of the environment
    python3 dev.py lock [--upgrade]   renew the lock files (needs `uv`)

The first call makes `.venv` from the lock files, hashes checked; later calls install again only when a lock file or
`pyproject.toml` changed. The exit code is that of the command that ran.
"""
# Written so that a Python that is too old can read it and say so: hence the quotes around newer types.

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
OLDEST_PYTHON = (3, 11)

# What `simulate` needs, and what everything else needs. The second contains the first, version by version.
RUN_LOCKS = ("requirements.lock", "requirements-build.lock")
DEV_LOCKS = ("requirements-dev.lock",)

CHECKS = (("ruff", "format", "--check"), ("ruff", "check"), ("mypy",), ("lint-imports",))
FIXES = (("ruff", "check", "--fix"), ("ruff", "format"))

# Lock file, and what it is compiled with. The development set comes first: the others may only repeat its versions.
COMPILATIONS = (
    ("requirements-dev.lock", ("pyproject.toml", "--group", "dev")),
    ("requirements.lock", ("pyproject.toml", "--constraint", "requirements-dev.lock")),
    ("requirements-build.lock", ("--group", "build", "--constraint", "requirements-dev.lock")),
)


class SetupError(Exception):
    """The environment cannot be made or used; the text says why and what to do."""


def main(arguments: "list[str]") -> int:
    """Carry out one command of the list above; return its exit code."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("help", [])
    if command in ("help", "-h", "--help"):
        print(__doc__)
        return 0
    if command == "simulate":
        install(RUN_LOCKS)
        return run("python", "-m", "watcher", "simulate", *rest)
    if command == "soak":
        install(RUN_LOCKS)
        return run("python", "-m", "watcher.simulator.soak", *rest)
    if command == "kills":
        install(DEV_LOCKS)
        return run("python", "-m", "tests.kills", *rest)
    if command == "test":
        install(DEV_LOCKS)
        return run("python", "-m", "pytest", *rest)
    if command == "bench":
        install(DEV_LOCKS)
        return run("python", "-m", "benchmarks", *rest)
    if command == "check":
        install(DEV_LOCKS)
        return max([run(*check) for check in CHECKS])  # every one of them runs, so that one call tells all
    if command == "fix":
        install(DEV_LOCKS)
        return max([run(*fix) for fix in FIXES])
    if command == "run" and rest:
        install(DEV_LOCKS)
        return run(*rest)
    if command == "lock":
        return lock(rest)
    print(f"dev.py: no command {' '.join(arguments)!r}: see python3 dev.py help", file=sys.stderr)
    return 2


def install(locks: "tuple[str, ...]") -> None:
    """Bring `.venv` to what the lock files say, and the checkout into it; do nothing where that is done already."""
    wanted = fingerprint(locks)
    stamp = VENV / "installed"
    if stamp.is_file() and wanted in stamp.read_text(encoding="utf-8").split():
        return
    if not has_environment():
        make_environment()
    stamp.unlink(missing_ok=True)
    print(f"dev.py: installing what {' and '.join(locks)} name", file=sys.stderr)
    sources = [word for name in locks for word in ("--requirement", name)]
    pip("install", "--require-hashes", *sources)
    pip("install", "--no-deps", "--no-build-isolation", "--editable", ".")
    # An environment with everything for development can do all that the smaller one can.
    done = [wanted, fingerprint(RUN_LOCKS)] if locks == DEV_LOCKS else [wanted]
    stamp.write_text("\n".join(done) + "\n", encoding="utf-8")


def has_environment() -> bool:
    """Whether `.venv` is there and of the Python that runs this file."""
    settings = VENV / "pyvenv.cfg"
    if not settings.is_file() or not (BIN / program("python")).exists():
        return False
    return f"version = {'.'.join(map(str, sys.version_info[:3]))}" in settings.read_text(encoding="utf-8").splitlines()


def make_environment() -> None:
    """A fresh `.venv` of the Python that runs this file."""
    print(f"dev.py: making {VENV.name} with Python {sys.version.split()[0]}", file=sys.stderr)
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=False, capture_output=True, text=True)
    if made.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        message = (
            "the venv module of this Python does not work: install it (Debian and Ubuntu: the package python3-venv), "
            "or use another Python"
        )
        raise SetupError(message)


def fingerprint(locks: "tuple[str, ...]") -> str:
    """What decides the contents of the environment: this Python, the project file and the lock files."""
    digest = hashlib.sha256(sys.version.encode())
    for name in ("pyproject.toml", *locks):
        try:
            digest.update((ROOT / name).read_bytes())
        except FileNotFoundError:
            message = f"{name} is missing: take a complete checkout"
            raise SetupError(message) from None
    return digest.hexdigest()


def pip(*arguments: str) -> None:
    """Run the environment's pip quietly, without asking anything."""
    quiet = ("-qq", "--disable-pip-version-check", "--no-input")
    if run("python", "-m", "pip", *arguments, *quiet):
        message = "installing failed, pip says why above: mend that (network, proxy, disk) and start again"
        raise SetupError(message)


def lock(options: "list[str]") -> int:
    """Renew the lock files: universal (every supported Python and platform), with hashes, naming no registry."""
    uv = shutil.which("uv", path=os.pathsep.join([str(BIN), os.environ.get("PATH", "")]))
    if uv is None:
        message = "lock needs uv: install it (pip install uv) and start again"
        raise SetupError(message)
    # Only the public index, whatever this machine is set up for: other sources may hold files with other hashes.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
    fixed = [
        "--universal",
        "--generate-hashes",
        "--no-emit-index-url",
        "--no-emit-find-links",
        "--no-config",
        "--quiet",
    ]
    for name, choice in COMPILATIONS:
        command = [uv, "pip", "compile", *choice, "--output-file", name, *fixed, *options]
        command += ["--custom-compile-command", "python3 dev.py lock"]
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        if code:
            return code
    return 0


def run(name: str, *arguments: str) -> int:
    """Run a program of the environment in the checkout; return its exit code."""
    environment = dict(os.environ, VIRTUAL_ENV=str(VENV), PATH=os.pathsep.join([str(BIN), os.environ.get("PATH", "")]))
    environment.pop("PYTHONHOME", None)
    path = BIN / program(name)
    command = [str(path) if path.exists() else name, *arguments]
    try:
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    except FileNotFoundError:
        message = f"no program {name!r} in {VENV.name}"
        raise SetupError(message) from None


def program(name: str) -> str:
    """The file name of a program of the environment."""
    return f"{name}.exe" if os.name == "nt" else name


def require_python() -> None:
    """Raise SetupError for a Python that is too old."""
    if sys.version_info < OLDEST_PYTHON:
        needed, found = ".".join(map(str, OLDEST_PYTHON)), sys.version.split()[0]
        message = f"needs Python {needed} or newer, this is {found}: start it as python{needed} dev.py"
        raise SetupError(message)


if __name__ == "__main__":
    try:
        require_python()
        sys.exit(main(sys.argv[1:]))
    except SetupError as error:
        sys.exit(f"dev.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
