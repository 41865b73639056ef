"""A connector's check as a list of named questions; it never raises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from connectors.sdk.base import CheckReport, Probe
from connectors.sdk.ctx import Ctx
from hub.errors import (
    AuthError,
    ConfigError,
    HubError,
    NotSupported,
    Permanent,
    RateLimited,
    Transient,
)

_HINTS: Final[Mapping[type[HubError], str]] = {
    AuthError: "Look at the client id, its secret and the rights the vendor granted.",
    ConfigError: "Correct the setting named.",
    NotSupported: "Ask the vendor whether the plan covers this.",
    Permanent: "Look at the address.",
    RateLimited: "Wait; the vendor limits our rate.",
    Transient: "Try again; if it stays, look at the address and the vendor's status page.",
}


def run_probes(ctx: Ctx, probes: Mapping[str, Callable[[], object]]) -> CheckReport:
    """Ask in order and stop at the first failure, since the next ones would repeat it."""
    found: list[Probe] = []
    for name, ask in probes.items():
        began = ctx.clock.now()
        error, hint = _outcome(ask)
        took = (ctx.clock.now() - began) // timedelta(milliseconds=1)
        found.append(Probe(name, not error, error, hint, took))
        if error:
            break
    return CheckReport(tuple(found))


def _outcome(ask: Callable[[], object]) -> tuple[str, str]:
    try:
        ask()
    except HubError as error:
        own = getattr(error, "hint", "")
        known = (hint for kind, hint in _HINTS.items() if isinstance(error, kind))
        return str(error), own or next(known, "Look at the connection's settings.")
    except Exception as error:  # a check must report, whatever broke; the text may hold values
        return f"The connector failed ({type(error).__name__}).", "Report it to its owner."
    return "", ""
