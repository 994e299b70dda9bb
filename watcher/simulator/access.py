"""Who may do what at the simulated API server: a bearer token, and the rules of a Role."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from watcher.simulator.status import Action, Refusal, forbidden


@dataclass(frozen=True, slots=True)
class Grant:
    """One thing a Role allows: ``Grant("apps", "deployments", "get", frozenset({"kubecost-cost-analyzer"}))``.

    Without ``names`` it holds for every object. A grant with names never covers a plain ``list`` or ``watch``.
    """

    group: str
    resource: str
    verb: str
    names: frozenset[str] = frozenset()

    def covers(self, action: Action) -> bool:
        """True when this grant allows it."""
        same = (self.group, self.resource, self.verb) == (action.group, action.resource, action.verb)
        return same and (not self.names or action.name in self.names)


def grants_of_role(rules: Iterable[dict[str, list[str]]]) -> frozenset[Grant]:
    """The grants in the ``rules`` of a Role manifest."""
    return frozenset(
        Grant(group, resource, verb, frozenset(rule.get("resourceNames", ())))
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    )


class Access:
    """Checks every request. ``grants`` None: whoever has the token may do everything."""

    def __init__(self, token: str, user: str, grants: frozenset[Grant] | None = None) -> None:
        self.tokens = {token}
        self.user = user
        self.grants = grants

    def authenticate(self, authorization: str | None) -> None:
        """Raise a 401 ``Refusal`` unless the header carries a token that is good now."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or token.strip() not in self.tokens:
            raise Refusal(401, "Unauthorized")

    def allows(self, action: Action) -> bool:
        """True when some grant covers this."""
        return self.grants is None or any(grant.covers(action) for grant in self.grants)

    def authorize(self, action: Action) -> None:
        """Raise a 403 ``Refusal`` unless this is allowed."""
        if not self.allows(action):
            raise forbidden(self.user, action)
