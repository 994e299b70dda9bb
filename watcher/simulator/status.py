"""The answers of an API server that are not what was asked for: ``Status`` objects, with the words of a real one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    406: "NotAcceptable",
    410: "Expired",
    422: "Invalid",
}


class Refusal(Exception):
    """Ends a request with a ``Status`` of this code."""

    def __init__(self, code: int, message: str, details: dict[str, Any] | None = None, *, reason: bool = True) -> None:
        super().__init__(message)
        self.code = code
        self.body = status_body(code, message, details, reason=reason)

    def response(self) -> web.Response:
        """The answer: one line of JSON, but for 406, where a real server prints it on several."""
        indent = 2 if self.code == 406 else None
        text = json.dumps(self.body, indent=indent, separators=None if indent else (",", ":"))
        return web.Response(status=self.code, body=text.encode(), content_type="application/json")


def status_body(
    code: int, message: str, details: dict[str, Any] | None = None, *, reason: bool = True
) -> dict[str, Any]:
    """The ``Status`` object. ``reason`` is left out where the kubelet, not the API server, failed."""
    body: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
    }
    if reason and code in REASONS:
        body["reason"] = REASONS[code]
    if details is not None:
        body["details"] = details
    return body | {"code": code}


def not_found(group: str, resource: str, name: str) -> Refusal:
    """404 for an object that does not exist."""
    details = {"name": name, **({"group": group} if group else {}), "kind": resource}
    return Refusal(404, f'{qualified(group, resource)} "{name}" not found', details)


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody wants to do: ``Action("apps", "deployments", "get", "kubecost", "kubecost-cost-analyzer")``."""

    group: str
    resource: str
    verb: str
    namespace: str
    name: str | None = None


def forbidden(user: str, action: Action) -> Refusal:
    """403 of RBAC; the same whether the object exists or not."""
    group, name = action.group, action.name
    kind = action.resource.split("/", 1)[0]
    what = qualified(group, kind) + (f' "{name}"' if name else "")
    message = (
        f'{what} is forbidden: User "{user}" cannot {action.verb} resource "{action.resource}" in API group "{group}"'
        f' in the namespace "{action.namespace}"'
    )
    details = {**({"name": name} if name else {}), **({"group": group} if group else {}), "kind": kind}
    return Refusal(403, message, details)


def qualified(group: str, resource: str) -> str:
    """``deployments.apps``, or only the resource for the core group."""
    return f"{resource}.{group}" if group else resource
