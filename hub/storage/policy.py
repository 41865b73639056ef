"""The policy version as a session sees it."""

from __future__ import annotations

from sqlalchemy import select

from hub.storage.session import ScopedSession
from hub.storage.tables import PolicyVersion


def version(session: ScopedSession) -> int:
    """How often rights have changed; read it before the rights themselves."""
    return session.scalar(select(PolicyVersion.version)) or 0
