"""Reads a payer's answer: 271 (X12 TR3 005010X279A1), 999 and TA1 to canonical results; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from connectors.payer_x12.mapping import (
    STATUS_KINDS,
    BenefitDraft,
    DateRange,
    benefit,
    coverage_dates,
    date_range,
    plan_of,
)
from connectors.sdk import x12
from hub.domain.eligibility import Benefit, EligibilityResult, Reject
from hub.domain.eligibility_rejects import is_expected, reject
from hub.domain.eligibility_rules import outcome_of, reconcile_amounts
from hub.domain.records import Issue
from hub.errors import DataError, Transient

_LEVELS = {"20": "A", "21": "B", "22": "C", "23": "D"}  # HL03


@dataclass(frozen=True, slots=True)
class Answer:
    """What a 271 says about one person, and every (TRN02, TRN03) it carries for that person.

    `references` holds BHT03: the only trace where the payer refuses before it comes to a person.
    """

    traces: tuple[tuple[str, str], ...]
    references: tuple[str, ...]
    result: EligibilityResult


def read_answer(
    raw: bytes,
    *,
    trace: str,
    trace_company: str,
    service_types: Sequence[str] = ("30",),
    service_date: date | None = None,
) -> EligibilityResult:
    """The result for the request that carried `trace` and `trace_company`.

    Raises Transient for an answer cut short or one that is no X12; DataError with reason
    rejected_999 or rejected_ta1 (path locates the fault), too_large, or other_request where no 271
    carries our trace.
    """
    answers: list[Answer] = []
    for result in x12.read(raw):
        match result:
            case x12.TruncatedResponse():
                raise Transient("The payer's answer was cut short.")
            case x12.NotX12(kind=kind):
                raise Transient(f"The payer answered {kind} where X12 was due.")
            case x12.TooLarge():
                raise DataError(result.text, reason="too_large")
            case x12.Interchange():
                _raise_refusal(result)
                for transaction in result.transactions:
                    if transaction.set_id == "271":
                        answers += read_271(result, transaction, service_types, service_date)
    if not answers:
        raise Transient("The payer acknowledged the request and did not answer it.")
    return _matching(answers, trace, trace_company)


def read_271(
    interchange: x12.Interchange,
    transaction: x12.Transaction,
    service_types: Sequence[str] = ("30",),
    service_date: date | None = None,
) -> tuple[Answer, ...]:
    """Every person of a 271, or one answer without a person where the payer refused before.

    `service_types` and `service_date` are those asked; without a date coverage dates do not decide.
    """
    walk = _Walk(transaction, service_date)
    for segment in transaction.segments:
        handle = _HANDLERS.get(segment.id)
        if handle:
            handle(walk, segment)
    walk.end_benefit()
    warnings = (*interchange.issues, *transaction.issues, *_envelope_issues(transaction))
    control = interchange.header.control
    branches = [branch for branch in walk.branches if branch.level in "CD"] or walk.branches[:1]
    return tuple(
        _answer(walk, branch, service_types, warnings, control)
        for branch in branches
        if not _is_passed_down(branch, walk.branches)
    )


def _raise_refusal(interchange: x12.Interchange) -> None:
    for ta1 in interchange.ta1s:
        if ta1.status == "R":
            text = f"The payer refused our interchange (TA1 note {ta1.note[:3]})."
            raise DataError(text, reason="rejected_ta1", path="ISA")
    for transaction in interchange.transactions:
        if transaction.set_id in {"997", "999"}:
            acknowledgment = x12.read_acknowledgment(transaction)
            if not acknowledgment.accepted:
                path = "; ".join(acknowledgment.faults())[:200]
                text = f"The payer refused our 270 as malformed ({path or 'no place given'})."
                raise DataError(text, reason="rejected_999", path=path)


def _matching(answers: list[Answer], trace: str, trace_company: str) -> EligibilityResult:
    ours = [answer for answer in answers if (trace, trace_company) in answer.traces]
    if ours:
        full = [item for item in ours if item.result.benefits or item.result.rejects]
        return replace((full or ours)[0].result, trace=trace, trace_company=trace_company)
    for answer in answers:
        result = answer.result
        if not answer.traces and trace in answer.references and not result.benefits:
            return replace(result, trace=trace, trace_company=trace_company)
    raise DataError(
        "The payer's answer does not carry our trace number; it was not applied to the member.",
        reason="other_request",
        path="TRN-02",
    )


@dataclass(slots=True)
class _Branch:
    """One HL with what it says; `parent` is the subscriber of a dependent."""

    level: str
    parent: _Branch | None = None
    named: bool = False
    traces: list[tuple[str, str, str]] = field(default_factory=list)
    dates: list[DateRange] = field(default_factory=list)
    rejects: list[tuple[str, str, str]] = field(default_factory=list)
    benefits: list[Benefit] = field(default_factory=list)

    @property
    def is_bare(self) -> bool:
        return not self.rejects and not self.benefits


class _Walk:
    """One pass over the segments of a 271."""

    def __init__(self, transaction: x12.Transaction, service_date: date | None) -> None:
        self.service_date = service_date
        self.branches = [_Branch("A")]
        self.branch = self.branches[0]
        self.subscriber: _Branch | None = None
        self.draft: BenefitDraft | None = None
        self.reference = ""
        self.payer_name = ""
        self.issues: list[Issue] = []

    @property
    def loop(self) -> str:
        head = "2110" if self.draft else "2100" if self.branch.named else "2000"
        return head + self.branch.level

    def end_benefit(self) -> None:
        if self.draft is not None:
            self.branch.benefits.append(benefit(self.draft, self.loop, self.issues))
            self.draft = None

    def begin_transaction(self, segment: x12.Segment) -> None:
        self.reference = segment.get(3)

    def begin_level(self, segment: x12.Segment) -> None:
        self.end_benefit()
        level = _LEVELS.get(segment.get(3), "")
        if not level:
            text = "The level code is outside the standard; read as a subscriber."
            self.issues.append(Issue("unknown_code", "HL-03", text))
        self.branch = _Branch(level or "C", self.subscriber if level == "D" else None)
        self.branches.append(self.branch)
        if self.branch.level == "C":
            self.subscriber = self.branch

    def name(self, segment: x12.Segment) -> None:
        if self.draft is not None:
            self.draft.entities.append(" ".join(filter(None, (segment.get(4), segment.get(3)))))
            return
        self.branch.named = True
        if self.branch.level == "A" and not self.payer_name:
            self.payer_name = segment.get(3)

    def trace(self, segment: x12.Segment) -> None:
        self.branch.traces.append((segment.get(1), segment.get(2), segment.get(3)))

    def relationship(self, segment: x12.Segment) -> None:
        if segment.get(3) == "001" and segment.get(4) == "25":
            text = "The payer corrected the member's data; compare id, name and birth date."
            self.issues.append(Issue("member_corrected", f"{self.loop} INS-03", text))

    def date(self, segment: x12.Segment) -> None:
        found = date_range(segment, self.loop, self.issues)
        if found:
            (self.draft or self.branch).dates.append(found)

    def refusal(self, segment: x12.Segment) -> None:
        self.branch.rejects.append((self.loop, segment.get(3), segment.get(4)))

    def begin_benefit(self, segment: x12.Segment) -> None:
        self.end_benefit()
        self.draft = BenefitDraft(segment)

    def message(self, segment: x12.Segment) -> None:
        if self.draft is not None:
            self.draft.messages.append(segment.get(1))

    def place(self, segment: x12.Segment) -> None:
        if self.draft is not None and segment.get(1) == "ZZ" and segment.get(2):
            self.draft.places.append(segment.get(2))


_HANDLERS: dict[str, Callable[[_Walk, x12.Segment], None]] = {
    "BHT": _Walk.begin_transaction,
    "HL": _Walk.begin_level,
    "NM1": _Walk.name,
    "TRN": _Walk.trace,
    "INS": _Walk.relationship,
    "DTP": _Walk.date,
    "AAA": _Walk.refusal,
    "EB": _Walk.begin_benefit,
    "MSG": _Walk.message,
    "III": _Walk.place,
}


def _is_passed_down(branch: _Branch, branches: list[_Branch]) -> bool:
    """True for a subscriber that only leads to a dependent, who then inherits its traces."""
    return branch.is_bare and any(item.parent is branch for item in branches)


def _answer(
    walk: _Walk,
    branch: _Branch,
    service_types: Sequence[str],
    warnings: tuple[Issue, ...],
    control: str,
) -> Answer:
    issues: list[Issue] = []
    benefits, slot_issues = reconcile_amounts(branch.benefits)
    rejects = _rejects(walk, branch, issues)
    starts, ends = _coverage(branch, walk.service_date)
    plan_name, insurance_type = plan_of(benefits, service_types)
    outcome = outcome_of(
        benefits,
        rejects,
        service_types=service_types,
        service_date=walk.service_date,
        coverage=(starts, ends),
    )
    traces = _traces(branch)
    trace, trace_company = traces[0] if traces else (walk.reference, "")
    result = EligibilityResult(
        outcome=outcome,
        trace=trace,
        trace_company=trace_company,
        payer_name=walk.payer_name,
        plan_name=plan_name,
        insurance_type=insurance_type,
        coverage_from=starts,
        coverage_to=ends,
        benefits=benefits,
        rejects=rejects,
        warnings=(*warnings, *walk.issues, *issues, *slot_issues),
        interchange_control=control,
    )
    return Answer(traces, (walk.reference,), result)


def _traces(branch: _Branch) -> tuple[tuple[str, str], ...]:
    """Traces of a person, ours (TRN01 = 2) first, and of a subscriber that only leads here."""
    own = [*branch.traces]
    if branch.parent is not None and branch.parent.is_bare:
        own += branch.parent.traces
    own.sort(key=lambda row: row[0] != "2")
    return tuple((number, company) for _, number, company in own)


def _rejects(walk: _Walk, branch: _Branch, issues: list[Issue]) -> tuple[Reject, ...]:
    """AAA of payer and provider apply to every person, those of a subscriber to its dependents."""
    scope = (
        item
        for item in walk.branches
        if item is branch or item is branch.parent or item.level in "AB"
    )
    found = [row for item in scope for row in item.rejects]
    codes = {code for _, code, _ in found}
    for loop, code, _ in found:
        if not is_expected(code, loop):
            text = "The reject code is not expected in this loop; it is kept."
            issues.append(Issue("unexpected_reject", f"{loop} AAA-03", text))
    return tuple(reject(loop, code, action, codes) for loop, code, action in found)


def _coverage(branch: _Branch, service_date: date | None) -> tuple[date | None, date | None]:
    starts, ends = coverage_dates(branch.dates, service_date)
    if starts is None and ends is None:
        statuses = (item for item in branch.benefits if item.kind in STATUS_KINDS)
        dates = [item for status in statuses for item in status.dates]
        starts, ends = coverage_dates(dates, service_date)
    return starts, ends


def _envelope_issues(transaction: x12.Transaction) -> list[Issue]:
    issues = []
    if transaction.group.functional_id != "HB":
        issues.append(Issue("functional_id", "GS-01", "GS01 of a 271 is HB."))
    if not transaction.version.endswith("A1"):
        text = "The version lacks the A1 of 005010X279A1."
        issues.append(Issue("version", "GS-08", text))
    return issues
