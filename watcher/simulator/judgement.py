"""Whether a run ended as its scenario demands, and claimed nothing that is not true."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from watcher.simulator.ledger import Ledger
from watcher.simulator.scenarios import Verdict


def judge(verdict: Verdict, ledger: Ledger, exit_code: int, document: Mapping[str, Any]) -> list[str]:
    """What is wrong with the end of a run, one sentence each; ``document`` is the status document it printed."""
    wrong = []
    if exit_code != verdict.exit_code:
        wrong.append(f"exit code {exit_code}, expected {verdict.exit_code}")
    state = document["run"]["state"]
    if state != verdict.run_state:
        wrong.append(f"the run is {state}, expected {verdict.run_state}")
    if verdict.says:
        reasons = _reasons(document, verdict.stage)
        if not any(word.lower() in reasons.lower() for word in verdict.says):
            wrong.append(f"no reason says one of {', '.join(verdict.says)}: {reasons!r}")
    return wrong + overclaims(ledger, document)


def overclaims(ledger: Ledger, document: Mapping[str, Any]) -> list[str]:
    """Days that the document calls done though their good data were never written."""
    return [
        f"{stage['name']} {day['day']} is called done, and is not"
        for stage in document["stages"]
        for day in stage["days"]
        if day["state"] == "done" and date.fromisoformat(day["day"]) not in ledger.finished(stage["name"])
    ]


def _reasons(document: Mapping[str, Any], stage: str | None) -> str:
    """The reasons of the run, of the stage it stands at, and of that stage's days."""
    found = [document["run"]["reason"]]
    for one in document["stages"]:
        if one["name"] == stage:
            found += [one["reason"], *(day["reason"] for day in one["days"])]
    return " | ".join(reason for reason in found if reason)
