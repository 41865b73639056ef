"""One connection to PostgreSQL for reads: a compiled part out, its row back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import Format
from psycopg.pq.abc import Buffer

from hub import log
from hub.storage.exchange import Exchange
from hub.storage.reads.compile import CompiledPart
from hub.storage.running import CANCEL_SECONDS

logger = log.get(__name__)
KEPT_STATEMENTS = 256


class Wire(Exchange):
    """It is also `closed` once it has prepared enough."""

    async def row(self, part: CompiledPart, parameters: Sequence[Any]) -> list[bytes]:
        """The one row of a part, as the server wrote it. Raises psycopg.Error; cancelled, it
        ends the statement, and the connection with it whatever comes of that."""
        try:
            result = await self.answer(part, *_dumped(parameters))
        except asyncio.CancelledError:
            self._ignore()
            try:
                await self._connection.cancel_safe(timeout=CANCEL_SECONDS)
            except Exception as error:
                logger.warning("statement not cancelled", error_type=type(error).__name__)
            finally:
                self.close()
            raise
        if len(self._statements) >= KEPT_STATEMENTS:
            self.close()
        return [result.get_value(0, column) or b"" for column in range(result.nfields)]


def _dumped(
    parameters: Sequence[Any],
) -> tuple[Sequence[Buffer | None], tuple[int, ...], Sequence[Format] | None]:
    """Parameters with their types and formats, as psycopg writes them; texts and whole numbers
    alone, which most reads have, without the five microseconds it takes, and of the type the
    statement wants: psycopg's depends on how large a number is. Raises psycopg.DataError."""
    if all(_is_simple(value) for value in parameters):
        return [str(value).encode() for value in parameters], (0,) * len(parameters), None
    transformer = Transformer()
    values = transformer.dump_sequence(parameters, [PyFormat.AUTO] * len(parameters))
    return values, transformer.types or (), transformer.formats


def _is_simple(value: object) -> bool:
    return type(value) is int or (type(value) is str and "\0" not in value)
