"""What a conformance check is and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from connectors.sdk.kit.subject import Subject

Scope = Literal["every", "caller", "http", "reader", "source", "webhook", "orders"]
"""Whom a check is for: every connector, one that calls somebody, one that does so over HTTP, one
that reads data, one that is pulled, one whose vendor calls us, one that places orders."""

Outcome = Literal["passed", "failed", "not run", "exempt", "not applicable"]
"""``not run``: nothing could be asked, since an earlier check failed."""


class DoesNotApply(Exception):
    """Raised by a check that finds nothing here which it could judge; the text says why."""


@dataclass(frozen=True, slots=True)
class Check:
    """`proves` in a sentence, `mend` what to do on failure; `run` yields what is wrong, if
    anything."""

    name: str
    scope: Scope
    proves: str
    mend: str
    run: Callable[[Subject], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one check; `what` are its findings, or the reason why it was not asked."""

    check: str
    outcome: Outcome
    proves: str
    what: tuple[str, ...] = ()
    mend: str = ""


def check(
    scope: Scope, proves: str, mend: str, name: str = ""
) -> Callable[[Callable[[Subject], Iterator[str]]], Check]:
    """Makes a check of a function; its name is the function's unless given."""

    def made(run: Callable[[Subject], Iterator[str]]) -> Check:
        return Check(name or run.__name__, scope, proves, mend, run)

    return made
