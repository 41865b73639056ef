"""One call of a connector and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connectors.sdk.ctx import Ctx
from connectors.sdk.kit.subject import Call
from connectors.sdk.kit.wire import Endless


def attempt(call: Call, ask: Callable[[Ctx], Any]) -> tuple[BaseException | None, Any]:
    """What a call raised, or what it gave."""
    try:
        return None, ask(call.ctx)
    except (Exception, Endless) as error:
        return error, None


def told(error: BaseException | None) -> str:
    return "no error" if error is None else type(error).__name__
