"""How reading stored messages ended, as the listener hears of it: by looking, since another
process may have read them."""

from __future__ import annotations

import asyncio

from connectors.sdk.hl7v2.acknowledging import Processed
from hub.domain.agreements import operations_scope
from hub.storage import inbox
from hub.storage.session import Database
from jobs.acknowledging import processed

_SCOPE = operations_scope("hl7 outcomes")
_FIRST_LOOK, _LONGEST_PAUSE = 0.01, 0.5


class Outcomes:
    """Call it with an inbox id and seconds (`hub.entrypoints.hl7_receive.WaitForProcessing`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, inbox_id: str, seconds: float) -> Processed | None:
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + seconds, _FIRST_LOOK
        while True:
            found = await asyncio.to_thread(self._look, inbox_id)
            if found is not None or loop.time() >= until:
                return found
            await asyncio.sleep(min(pause, max(until - loop.time(), 0)))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _look(self, inbox_id: str) -> Processed | None:
        with self._database.read(_SCOPE) as session:
            row = inbox.get(session, inbox_id)
            return None if row is None else processed(session, row)
