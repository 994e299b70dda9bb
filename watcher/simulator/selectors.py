"""Label and field selectors, as the list calls of an API server take them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from watcher.simulator.status import Refusal

Labels = Mapping[str, str]
Test = Callable[[Labels], bool]

_NAME = r"[A-Za-z0-9._/-]+"
_EQUAL = re.compile(rf"({_NAME})\s*(==|=|!=)\s*([A-Za-z0-9._-]*)")
_SET = re.compile(rf"({_NAME})\s+(in|notin)\s+\(([^()]*)\)")
_EXISTS = re.compile(rf"(!?)\s*({_NAME})")
_BETWEEN_TERMS = re.compile(r",(?![^()]*\))")


def label_test(selector: str) -> Test:
    """A test for the labels that ``selector`` means; every object passes an empty one. Raises a 400 ``Refusal``."""
    tests = [_term(term.strip()) for term in _BETWEEN_TERMS.split(selector)] if selector.strip() else []
    return lambda labels: all(test(labels) for test in tests)


def _term(term: str) -> Test:
    if match := _EQUAL.fullmatch(term):
        key, operator, value = match.groups()
        wanted = operator != "!="
        return lambda labels: (labels.get(key) == value) is wanted
    if match := _SET.fullmatch(term):
        key, operator, listed = match.groups()
        values = {value.strip() for value in listed.split(",")}
        wanted = operator == "in"
        return lambda labels: (labels.get(key) in values) is wanted
    if match := _EXISTS.fullmatch(term):
        absent, key = match.groups()
        return lambda labels: (key in labels) is not bool(absent)
    raise Refusal(400, f"unable to parse requirement: {term!r}")


def name_test(selector: str) -> Callable[[str], bool]:
    """A test for the name of an object; only ``metadata.name`` is known. Raises a 400 ``Refusal``."""
    if not selector:
        return lambda _: True
    match = re.fullmatch(r"metadata\.name==?([a-z0-9.-]+)", selector)
    if match is None:
        raise Refusal(400, f"field label not supported: {selector}")
    wanted = match.group(1)
    return lambda name: name == wanted


def filters(query: Mapping[str, str]) -> Callable[[Mapping[str, Any]], bool]:
    """A test for manifests: what ``labelSelector`` and ``fieldSelector`` of a list call let through."""
    labelled, named = label_test(query.get("labelSelector", "")), name_test(query.get("fieldSelector", ""))
    return lambda manifest: labelled(manifest["metadata"]["labels"]) and named(manifest["metadata"]["name"])
