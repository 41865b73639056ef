"""One connection to PostgreSQL for reads: a compiled part out, its row back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from psycopg.adapt import PyFormat, Transformer

from hub.storage.exchange import Exchange
from hub.storage.reads.compile import CompiledPart
from hub.storage.running import CANCEL_SECONDS

KEPT_STATEMENTS = 256


class Wire(Exchange):
    """It is also `closed` once it has prepared enough."""

    async def row(self, part: CompiledPart, parameters: Sequence[Any]) -> list[bytes]:
        """The one row of a part, as the server wrote it. Raises psycopg.Error; cancelled, it
        ends the statement, and the connection with it."""
        transformer = Transformer()
        values = transformer.dump_sequence(parameters, [PyFormat.AUTO] * len(parameters))
        try:
            result = await self.answer(part, values, transformer.types or (), transformer.formats)
        except asyncio.CancelledError:
            self._ignore()
            await self._connection.cancel_safe(timeout=CANCEL_SECONDS)
            self.close()
            raise
        if len(self._statements) >= KEPT_STATEMENTS:
            self.close()
        return [result.get_value(0, column) or b"" for column in range(result.nfields)]
