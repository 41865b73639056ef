"""The emergency access that a request names in its extensions."""

from __future__ import annotations

from datetime import datetime

from hub.domain.agreements import Emergency, Principal, practice_scope
from hub.entrypoints.graphql_request import Question
from hub.errors import Forbidden
from hub.services import emergencies
from hub.storage.reads.write import read_global_id
from hub.storage.session import Database


def emergency_of(
    database: Database, principal: Principal, question: Question, now: datetime
) -> tuple[Emergency | None, datetime | None]:
    """The access and when it ends; None where none is named. Blocking. Raises Forbidden, in one
    text, for one that is missing, over or another credential's."""
    if question.emergency_access is None:
        return None, None
    named = read_global_id(question.emergency_access)
    practice_id = principal.practice_id if principal.break_glass else None
    if named is not None and named[0] == "EmergencyAccess" and practice_id is not None:
        with database.read(practice_scope(practice_id)) as session:
            found = emergencies.under_way(session, principal, named[1], now)
        if found is not None:
            return found
    raise Forbidden("There is no emergency access of that id under way.")
