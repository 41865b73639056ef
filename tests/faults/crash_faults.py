"""J3: a process ends before and after every statement of every operation of the queue."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from crashing import OPERATIONS
from processes import is_alive, wait_until
from trial import Trial

MOST_POINTS = 1000


def crashed_at_every_statement(trial: Trial) -> None:
    """J3: one statement later each time, until the operation is through. A process that comes after
    each finds what it left, does it, and goes on to the next point."""
    rounds = _Rounds(trial)
    trial.deployment.kills_jobs = True
    for operation in OPERATIONS:
        if operation != "begin" or trial.broker is not None:
            rounds.end_everywhere(operation)
    rounds.mend()
    _check_ticks(trial, rounds.ticks)


def crashed_in_finish(trial: Trial) -> None:
    """J3 of one operation."""
    rounds = _Rounds(trial)
    rounds.end_everywhere("finish")
    rounds.mend()


class _Rounds:
    """One process after another, each mending what the one before it left."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._number = 0
        self._before: dict[str, Any] | None = None
        self.ticks: set[str] = set()
        self.stride = max(1, round(1 / trial.scale))

    def end_everywhere(self, operation: str) -> None:
        """At scale 1 at each point; else at every so many-th, from a random one."""
        point = self._trial.random.randint(1, self.stride)
        while point < MOST_POINTS and self._ends(operation, point):
            point += self.stride
        self._trial.require(point < MOST_POINTS, f"{operation} has no end")

    def mend(self) -> None:
        self._run("", 0)

    def _ends(self, operation: str, point: int) -> bool:
        """Whether there is such a point."""
        found = self._run(operation, point)
        if "ended" not in found:
            return False
        self._trial.inject(f"ended in {operation}")
        if operation == "tick":
            self.ticks.add(found["tick"])
        return True

    def _run(self, operation: str, point: int) -> dict[str, Any]:
        self._number += 1
        deployment, round_ = self._trial.deployment, _round(self._number, operation, point)
        directory = str(deployment.directory)
        process = deployment.call("crashing", "perform", round_, self._before, directory)
        wait_until(lambda: not is_alive(process), f"the end of {operation} at {point}")
        self._before = round_ if operation else None
        found: dict[str, Any] = {}
        log = deployment.directory / "crashes.log"
        for line in log.read_text().splitlines() if log.exists() else ():
            told = json.loads(line)
            found |= told if told["number"] == self._number else {}
        if not found.keys() & {"ended", "passed"}:
            raise RuntimeError(f"{operation} at {point} failed: see {deployment.log}")
        return found


def _round(number: int, operation: str, point: int) -> dict[str, Any]:
    return {"number": number, "operation": operation, "point": point}


def _check_ticks(trial: Trial, due: set[str]) -> None:
    """Each tick at which a process ended has one job."""
    keys = "SELECT unique_key FROM jobs WHERE unique_key LIKE 'faults.tick@%'"
    found = Counter(row[0] for row in trial.deployment.rows(keys))
    for tick in due:
        key = f"faults.tick@{tick.replace(' ', 'T')}"
        trial.require(found[key] == 1, f"{key} has {found[key]} jobs")
