"""What a request asks for beside its document: how fresh the answer is or has to be,
and how it is planned."""

from __future__ import annotations

from typing import Any

from hub.entrypoints.graphql_request import Question
from hub.errors import Forbidden
from schema.context import Context
from schema.execute import Prepared
from schema.freshness import freshness_of, refuse_stale
from schema.trusted import shown_plan


def asked_beside(question: Question, context: Context, prepared: Prepared) -> dict[str, Any]:
    """The extensions of the answer to a query. Blocking. Raises Stale if the data is older than
    asked for, Forbidden if a plan is asked for by who may not send documents of its own; then
    nothing was read."""
    found: dict[str, Any] = {}
    if prepared.plan is None:
        return found
    if question.plan:
        if not context.own_documents:
            raise Forbidden("This credential may not see plans.")
        shown = shown_plan(context, prepared)
        found["plan"] = None if shown is None else shown.shown()
    if question.asks_freshness:
        sources = freshness_of(context, prepared)
        if question.max_age_seconds is not None:
            refuse_stale(sources, question.max_age_seconds)
        found["freshness"] = [source.shown() for source in sources]
    return found
