"""What a request asks for beside its document: how fresh the answer is, or has to be."""

from __future__ import annotations

from typing import Any

from graphql import OperationType

from hub.entrypoints.graphql_request import Question
from schema.context import Context
from schema.execute import Engine, Prepared
from schema.freshness import freshness_of, refuse_stale


def asked_beside(
    question: Question, engine: Engine, context: Context, prepared: Prepared
) -> dict[str, Any]:
    """The extensions of the answer to a query. Blocking. Raises Stale if the data is older than
    asked for; then nothing was read."""
    is_query = prepared.operation.definition.operation is OperationType.QUERY
    if not is_query or not question.asks_freshness:
        return {}
    sources = freshness_of(engine, context, prepared)
    if question.max_age_seconds is not None:
        refuse_stale(sources, question.max_age_seconds)
    return {"freshness": [source.shown() for source in sources]}
