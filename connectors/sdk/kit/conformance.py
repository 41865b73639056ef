"""The conformance checks and what comes of them for one connector."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import islice
from pathlib import Path

from connectors.registry import Registry
from connectors.sdk.kit import (
    caller_checks,
    cursor_checks,
    fault_checks,
    order_checks,
    payload_checks,
    personal_checks,
    record_checks,
    source_checks,
    static_checks,
    webhook_checks,
)
from connectors.sdk.kit.model import Check, DoesNotApply, Result
from connectors.sdk.kit.subject import Subject
from hub.errors import ConfigError, HubError

CHECKS: tuple[Check, ...] = (
    *static_checks.CHECKS,
    *caller_checks.CHECKS,
    *fault_checks.CHECKS,
    *source_checks.CHECKS,
    *cursor_checks.CHECKS,
    *record_checks.CHECKS,
    *payload_checks.CHECKS,
    *personal_checks.CHECKS,
    *webhook_checks.CHECKS,
    *order_checks.CHECKS,
)
_GOOD = "check_good"
_UNASKED = "it could not be run: "
MOST_FINDINGS = 5
"""Of one check; what follows usually repeats them."""


def conformance(registry: Registry, id: str, *, today: date) -> Iterator[Result]:
    """The result of every check, one after another. `today` decides which exemptions hold.

    Raises NotFound for an unknown connector, ConfigError for one that cannot be loaded or exempts
    what is no check.
    """
    registry.load(id)
    subject = Subject(registry, id, fixtures_of(registry.folder(id)))
    known = {check.name for check in CHECKS}
    for exemption in subject.manifest.exempt:
        if exemption.check not in known:
            near = difflib.get_close_matches(exemption.check, known, n=1, cutoff=0.0)[0]
            raise ConfigError(
                f'connector.toml of {id} exempts "{exemption.check}", which is no check; did you'
                f" mean {near}?",
                field="exempt",
            )
    is_good = True
    for check in CHECKS:
        result = _result(subject, check, today)
        if not is_good and result.outcome == "failed" and result.what[0].startswith(_UNASKED):
            result = replace(result, outcome="not run", what=(f"{_GOOD} must pass first",))
        is_good = is_good and not (check.name == _GOOD and result.outcome == "failed")
        yield result


def fixtures_of(folder: Path) -> Path | None:
    """Where a connector's fixtures lie: in ``fixtures/<id>`` beside it or beside its package."""
    for above in folder.parents[:2]:
        if (above / "fixtures" / folder.name).is_dir():
            return above / "fixtures" / folder.name
    return None


def _result(subject: Subject, check: Check, today: date) -> Result:
    if check.scope not in subject.scopes:
        return Result(check.name, "not applicable", check.proves)
    exemption = next((e for e in subject.manifest.exempt if e.check == check.name), None)
    if exemption is not None and exemption.until >= today:
        what = f"{exemption.reason} (until {exemption.until})"
        return Result(check.name, "exempt", check.proves, (what,))
    try:
        found = tuple(islice(_findings(subject, check), MOST_FINDINGS))
    except DoesNotApply as error:
        return Result(check.name, "not applicable", check.proves, (str(error),))
    if exemption is not None and found:
        found = (f"its exemption ended on {exemption.until}", *found)
    return Result(check.name, "failed" if found else "passed", check.proves, found, check.mend)


def _findings(subject: Subject, check: Check) -> Iterator[str]:
    """What a check finds; a connector that breaks under it has failed it."""
    try:
        yield from check.run(subject)
    except DoesNotApply:
        raise
    except HubError as error:
        yield f"{_UNASKED}{error}"
    except Exception as error:  # whatever a stranger's connector raises is a finding
        yield f"it ended in {type(error).__name__}"
