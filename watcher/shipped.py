"""The pattern files that come with this program. Imports next to nothing: ``watcher version`` must answer at once."""

from __future__ import annotations

import os

import watcher

_SUFFIX = ".yaml"


def shipped_folder() -> str:
    """Where the shipped pattern files are: inside the installed package, else beside it in a checkout."""
    package = os.path.dirname(watcher.__file__)  # noqa: PTH120  pathlib alone takes longer than all the rest
    inside = os.path.join(package, "_patterns")  # noqa: PTH118
    return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(package), "patterns")  # noqa: PTH112, PTH118, PTH120


def shipped_profiles() -> list[str]:
    """The names of the profiles that come with this program, in order."""
    return sorted(name.removesuffix(_SUFFIX) for name in os.listdir(shipped_folder()) if name.endswith(_SUFFIX))  # noqa: PTH208
