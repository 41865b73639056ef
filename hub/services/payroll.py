"""Pay periods, payroll runs and pay statements."""

from __future__ import annotations

from hub.domain.payroll import PayPeriod, PayrollRun, PayStatement, statement_difference
from hub.domain.records import Record
from hub.services.records import (
    CENT,
    ApplyContext,
    Deferred,
    Outcome,
    content_of,
    digest,
    judge,
    key_of,
    money,
    refuse_delete,
    stamp,
)
from hub.services.workforce import worker_of
from hub.storage import payroll as store
from hub.storage import sourced
from hub.storage.session import ScopedSession
from hub.storage.tables import PayPeriod as PayPeriodRow
from hub.storage.tables import PayrollRun as PayrollRunRow
from hub.storage.tables import PayStatement as PayStatementRow
from hub.storage.tables import PayStatementLine, new_id

OF_PERIOD = ("starts_on", "ends_on", "check_date", "frequency")
OF_RUN = ("kind", "check_date", "currency", "gross", "net", "employer_cost")


def apply_pay_period(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Create or replace a pay period."""
    refuse_delete(record)
    period = content_of(record, PayPeriod)
    row = sourced.find(
        session, PayPeriodRow, context.practice, context.connection_id, key_of(record)
    )
    content = digest(record)
    outcome = judge(row, record, content)
    if outcome in (Outcome.UNCHANGED, Outcome.STALE):
        return outcome
    if row is None:
        row = PayPeriodRow(practice_id=context.practice)
        session.add(row)
    for name in OF_PERIOD:
        setattr(row, name, getattr(period, name))
    stamp(row, context, record, content)
    return outcome


def apply_payroll_run(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Create or replace a run; Deferred until its pay period is known. Deleted means cancelled."""
    run = content_of(record, PayrollRun)
    for name in ("gross", "net", "employer_cost"):
        money(getattr(run, name), name)
    period_id = sourced.id_of(
        session,
        PayPeriodRow,
        context.practice,
        context.connection_id,
        run.pay_period_external_id,
    )
    if period_id is None:
        raise Deferred(
            "The pay period is not known yet; the record is applied once the period is.",
            reason="unknown_pay_period",
            path="pay_period_external_id",
        )
    row = sourced.find(
        session, PayrollRunRow, context.practice, context.connection_id, key_of(record)
    )
    content = digest(record)
    outcome = judge(row, record, content)
    if outcome in (Outcome.UNCHANGED, Outcome.STALE):
        return outcome
    if row is None:
        row = PayrollRunRow(practice_id=context.practice)
        session.add(row)
    row.pay_period_id = period_id
    row.status = "cancelled" if record.op == "delete" else run.status
    for name in OF_RUN:
        setattr(row, name, getattr(run, name))
    stamp(row, context, record, content)
    return outcome


def apply_pay_statement(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Create or replace a statement with all its lines; Deferred until worker and run are known.

    A net pay that differs from what the lines add up to by more than a cent is an issue.
    """
    refuse_delete(record)
    statement = content_of(record, PayStatement)
    _check_money(statement)
    worker_id = worker_of(session, context, statement.worker_external_id)
    run_id = _run_of(session, context, statement.payroll_run_external_id)
    row = sourced.find(
        session, PayStatementRow, context.practice, context.connection_id, key_of(record)
    )
    content = digest(record)
    outcome = judge(row, record, content)
    if outcome in (Outcome.UNCHANGED, Outcome.STALE):
        return outcome
    if abs(statement_difference(statement)) > CENT:
        context.report(
            "net_pay_difference",
            "net",
            "Net pay differs by more than a cent from gross pay less taxes and deductions.",
        )
    if row is None:
        row = PayStatementRow(practice_id=context.practice, id=new_id())
        session.add(row)
    row.worker_id, row.payroll_run_id = worker_id, run_id
    row.currency, row.gross, row.net = statement.currency, statement.gross, statement.net
    stamp(row, context, record, content)
    session.flush()
    store.replace_lines(session, row.practice_id, row.id, _lines(row, statement))
    return outcome


def _check_money(statement: PayStatement) -> None:
    money(statement.gross, "gross")
    money(statement.net, "net")
    for line in statement.lines:
        money(line.amount, "lines.amount")


def _run_of(session: ScopedSession, context: ApplyContext, external_id: str) -> str:
    found = sourced.id_of(
        session, PayrollRunRow, context.practice, context.connection_id, external_id
    )
    if found is None:
        raise Deferred(
            "The payroll run is not known yet; the record is applied once the run is.",
            reason="unknown_payroll_run",
            path="payroll_run_external_id",
        )
    return found


def _lines(row: PayStatementRow, statement: PayStatement) -> list[PayStatementLine]:
    return [
        PayStatementLine(
            practice_id=row.practice_id,
            pay_statement_id=row.id,
            position=position,
            kind=line.kind,
            code=line.code,
            amount=line.amount,
            hours=line.hours,
            employer_paid=line.employer_paid,
            pre_tax=line.pre_tax,
        )
        for position, line in enumerate(statement.lines)
    ]
