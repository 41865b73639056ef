"""What a database under test records of itself, by triggers of the campaign's own.

Each reading of a message and each finished job leaves a row in the transaction that did it. What
was rolled back leaves none, and what was done twice leaves two.
"""

from __future__ import annotations

from sqlalchemy import Engine

SQLITE = (
    """CREATE TABLE fault_effects (sequence INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT,
    job_id BIGINT, inbox_id TEXT, at TEXT)""",
    """CREATE TRIGGER fault_read AFTER UPDATE OF state ON inbox WHEN NEW.state = 'processed'
    BEGIN INSERT INTO fault_effects (kind, inbox_id, at)
    VALUES ('read', NEW.id, NEW.processed_at); END""",
    """CREATE TRIGGER fault_done AFTER UPDATE OF state ON jobs WHEN NEW.state = 'done'
    BEGIN INSERT INTO fault_effects (kind, job_id, at) VALUES ('done', NEW.id, NEW.done_at); END""",
)
POSTGRESQL = (
    """CREATE TABLE fault_effects (sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text, job_id bigint, inbox_id text, at text)""",
    """CREATE FUNCTION fault_read() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO fault_effects (kind, inbox_id, at)
    VALUES ('read', NEW.id, NEW.processed_at::text); RETURN NULL; END $$""",
    """CREATE FUNCTION fault_done() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO fault_effects (kind, job_id, at)
    VALUES ('done', NEW.id, NEW.done_at::text); RETURN NULL; END $$""",
    """CREATE TRIGGER fault_read AFTER UPDATE OF state ON inbox FOR EACH ROW
    WHEN (NEW.state = 'processed') EXECUTE FUNCTION fault_read()""",
    """CREATE TRIGGER fault_done AFTER UPDATE OF state ON jobs FOR EACH ROW
    WHEN (NEW.state = 'done') EXECUTE FUNCTION fault_done()""",
)


def install(engine: Engine, role: str) -> None:
    """Add the table and the triggers to a database of the present schema; on PostgreSQL `role` is
    whose statements they follow."""
    granted = (*POSTGRESQL, f"GRANT SELECT, INSERT ON fault_effects TO {role}")
    statements = SQLITE if engine.dialect.name == "sqlite" else granted
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
