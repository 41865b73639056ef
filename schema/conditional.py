"""The tag of an answer that is not made: one small statement instead of the query."""

from __future__ import annotations

from functools import lru_cache

from hub.storage.reads.compile import CompiledPart, compile_epoch
from hub.storage.reads.text import Writer
from schema.caching import entity_tag
from schema.context import Context
from schema.execute import Prepared, raw_variables


async def current_tag(context: Context, prepared: Prepared) -> str | None:
    """The tag of what the operation would answer now; None for an answer that may not be kept.

    Read before the answer is made: what changes meanwhile makes the answer newer than its tag,
    never older. Raises PolicyChanged if the rights are no longer those of `context`.
    """
    plan = prepared.plan
    if plan is None or not plan.read.kept:
        return None
    reads = context.database.text_reads
    asked = (_listed(reads.writer, plan.read.nouns), context.kept_practices)
    part, (_, sets) = _epoch(reads.writer), context.scope_parts
    found = await reads.shared(context.scope, sets, part, asked, policy=context.policy)
    variables = raw_variables(prepared.operation)
    return entity_tag(prepared.name, variables, context.kept_scope, found.texts[0])


@lru_cache(maxsize=4)
def _epoch(writer: Writer) -> CompiledPart:
    return compile_epoch(writer)


@lru_cache(maxsize=1024)
def _listed(writer: Writer, nouns: frozenset[str]) -> str:
    return writer.list_text(sorted(nouns))
