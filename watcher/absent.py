"""Keeps parts of other people's packages from being loaded that those packages can do without.

Each of them would cost memory for as long as the daemon runs.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


@contextmanager
def without(part: str) -> Iterator[None]:
    """While the block runs, ``part`` can't be imported, as if it were not installed; one that is loaded already stays.

    What is loaded in the block, and what it decides for the lack of the part, stays as it is afterwards.
    """
    modules: dict[str, Any] = sys.modules  # None in it is Python's own way to say that there is no such module
    absent = part not in modules
    if absent:
        modules[part] = None
    try:
        yield
    finally:
        if absent:
            del modules[part]


# aiohttp keeps its signal handlers in lists of this package. Those in C++ are all that loads the C++ library: 1 MB for
# a list that a request walks once. Must run before aiohttp is loaded.
with suppress(ImportError), without("frozenlist._frozenlist"):
    importlib.import_module("frozenlist")
