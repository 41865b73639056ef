"""What live fields ask: each question calls the connector of a row's connection.

Calls run in threads of their own, few for the whole process, so that slow vendors hold up nobody
but each other. Who waited long enough gives up; a call that goes on ends by its own timeouts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from hub import log
from hub.domain.agreements import practice_scope
from hub.errors import Held, NoAnswer, VendorDown, VendorRefused
from hub.services import placement
from jobs.context import JobContext

logger = log.get(__name__)
LIVE_SECONDS, LIVE_CALLS = 5.0, 8
Row = Mapping[str, Any]
Question = Callable[[JobContext, Row, float], Any]


def health(context: JobContext, row: Row, seconds: float) -> str:
    """A check of a connection, paused or not: "ok", or the first thing that is wrong."""
    from jobs.calling import opened, stored_connection  # few processes ask; the client is large

    connection = stored_connection(context, row["id"])
    with opened(context, connection, seconds, lambda: False) as (connector, ctx):
        report = connector.check(ctx)
    wrong = next((probe for probe in report.probes if not probe.ok), None)
    return "ok" if wrong is None else f"{wrong.name}: {wrong.error}"


def held_as(context: JobContext, row: Row, seconds: float) -> str | None:
    """The number a supplier holds an order under; None if it was never sent or is not held."""
    from connectors.sdk.base import OrderPlacer
    from jobs.calling import opened, require_running, stored_connection

    practice_id, order_id = row["practice_id"], row["id"]
    with context.database.read(practice_scope(practice_id)) as session:
        order = placement.sent(session, practice_id=practice_id, order_id=order_id)
    if order is None:
        return None
    connection = stored_connection(context, order.connection_id)
    require_running(context, connection)
    with opened(context, connection, seconds, lambda: False) as (connector, ctx):
        if not isinstance(connector, OrderPlacer):
            raise NoAnswer("This supplier's connector places no orders.")
        receipt = connector.lookup(ctx, order.order, order.idempotency_key)
    return None if receipt is None else receipt.vendor_order_id or receipt.order_number


QUESTIONS: Mapping[str, Question] = {"connection.health": health, "order.held_as": held_as}


class LiveAnswers:
    """Asks the questions of live fields, several rows at once, each bounded by `seconds`."""

    def __init__(
        self,
        context: JobContext,
        questions: Mapping[str, Question] = QUESTIONS,
        *,
        seconds: float = LIVE_SECONDS,
        calls: int = LIVE_CALLS,
    ) -> None:
        self._context = context
        self._questions = questions
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(calls, "live")

    def __call__(self, asked: Sequence[tuple[str, Sequence[Row]]]) -> list[list[Any]]:
        """The answers or failures to each question, by row; the same row twice is asked about once.
        All questions share the time there is. Never raises."""
        calls: dict[Hashable, Future[Any]] = {}
        for asks, rows in asked:
            for row in rows:
                key = _key(asks, row)
                if key not in calls:
                    calls[key] = self._threads.submit(self._ask, asks, row)
        wait(calls.values(), timeout=self._seconds)
        outcomes = {key: self._outcome(call) for key, call in calls.items()}
        return [[outcomes[_key(asks, row)] for row in rows] for asks, rows in asked]

    def _ask(self, asks: str, row: Row) -> Any:
        return self._questions[asks](self._context, row, self._seconds)

    def _outcome(self, call: Future[Any]) -> Any:
        if not call.done():
            call.cancel()  # one that has not begun never will
            return NoAnswer(f"The vendor did not answer within {self._seconds:.0f} seconds.")
        error = call.exception() if not call.cancelled() else NoAnswer("The call was given up.")
        if error is None:
            return call.result()
        if isinstance(error, NoAnswer | VendorDown | VendorRefused | Held):
            return NoAnswer(str(error))
        logger.warning("live field failed", error_type=type(error).__name__)
        return NoAnswer("The hub could not ask, or could not read the answer.")


def _key(asks: str, row: Row) -> Hashable:
    return asks, *row.values()
