"""The tag of an answer that is not made: one small statement instead of the query."""

from __future__ import annotations

from functools import lru_cache

from graphql import OperationType

from hub.storage.reads.compile import CompiledPart, compile_epoch
from hub.storage.reads.scoping import split
from hub.storage.reads.text import Writer
from schema.caching import entity_tag, practices_of
from schema.context import Context
from schema.execute import Engine, Prepared, raw_variables


def current_tag(engine: Engine, context: Context, prepared: Prepared) -> str | None:
    """The tag of what the operation would answer now; None for an answer that may not be kept.

    Read before the answer is made: what changes meanwhile makes the answer newer than its tag,
    never older. Blocking; raises as the operation would for a plan that may not be.
    """
    if prepared.operation.definition.operation is not OperationType.QUERY:
        return None
    shape, sets = split(context.scope)
    reads = context.database.text_reads
    plan = engine.plan(context, prepared, shape)
    if not plan.read.kept:
        return None
    asked = (sorted(plan.read.nouns), practices_of(sets))
    found = reads.run(context.scope, sets, _epoch(reads.writer), asked, context.running)
    variables = raw_variables(prepared.operation)
    return entity_tag(prepared.name, variables, context.scope, sets, shape, found.texts[0])


@lru_cache(maxsize=4)
def _epoch(writer: Writer) -> CompiledPart:
    return compile_epoch(writer)
