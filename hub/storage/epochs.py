"""Epochs: folding what connections that are gone have counted. What counts is in
`tables/epochs.py`, what reads in `reads/compile.py`."""

from __future__ import annotations

from sqlalchemy import column, delete, select, table

from hub.storage.session import ScopedSession
from hub.storage.tables import Epoch
from hub.storage.upsert import insert_or_update

_BACKENDS = table("pg_stat_activity", column("pid"))


def fold(session: ScopedSession) -> None:
    """Add the counts of writing connections that are closed to those of writer 0, so that the rows
    stay few. The sums stay as they are. On SQLite there is one writer and nothing to do."""
    if session.get_bind().dialect.name == "sqlite":
        return
    gone = session.execute(
        delete(Epoch)
        .where(Epoch.writer != 0, Epoch.writer.not_in(select(_BACKENDS.c.pid)))
        .returning(Epoch.noun, Epoch.practice_id, Epoch.epoch)
        .execution_options(synchronize_session=False)
    ).all()
    sums: dict[tuple[str, str], int] = {}
    for noun, practice_id, epoch in gone:
        sums[noun, practice_id] = sums.get((noun, practice_id), 0) + epoch
    for (noun, practice_id), epoch in sorted(sums.items()):
        insert_or_update(
            session,
            Epoch,
            {"noun": noun, "practice_id": practice_id, "writer": 0, "epoch": epoch},
            key=["noun", "practice_id", "writer"],
            update={"epoch": Epoch.epoch + epoch},
        )
