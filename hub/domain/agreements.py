"""Who may see what: principals, service agreements and the scope they add up to.

A service agreement between a practice and the MSO is data: effective-dated rows of domain,
granularity and purposes. `scope_for` turns a verified principal, the agreement rows and a purpose
into the `Scope` that every read of practice data carries. Deny by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from zoneinfo import ZoneInfo


class DataClass(StrEnum):
    """How sensitive a field is; every field of the schema has one."""

    PUBLIC = "PUBLIC"
    OPERATIONAL = "OPERATIONAL"
    FINANCIAL = "FINANCIAL"
    PAYROLL = "PAYROLL"
    PHI = "PHI"
    PHI_SENSITIVE = "PHI_SENSITIVE"
    SECRET = "SECRET"  # noqa: S105 - the name of a class, not a secret


class Domain(StrEnum):
    """The part of a practice's business a row belongs to."""

    CLINICAL = "CLINICAL"
    BILLING = "BILLING"
    ELIGIBILITY = "ELIGIBILITY"
    PAYROLL = "PAYROLL"
    SUPPLY = "SUPPLY"
    QUALITY = "QUALITY"
    SCHEDULE = "SCHEDULE"


class Granularity(StrEnum):
    """NONE, figures under the small-group rule, rows without direct identifiers, or whole rows."""

    NONE = "NONE"
    AGGREGATE = "AGGREGATE"
    LIMITED = "LIMITED"
    ROW = "ROW"


class Purpose(StrEnum):
    """Why data is used (45 CFR 164.506); bound to a credential and stated per request."""

    TREATMENT = "TREATMENT"
    PAYMENT = "PAYMENT"
    OPERATIONS = "OPERATIONS"
    QUALITY = "QUALITY"
    PURCHASING = "PURCHASING"


class PrincipalKind(StrEnum):
    """`MSO_APP` and `PRACTICE_APP` hold credentials; `SYSTEM` is the hub acting on a stored job."""

    MSO_APP = "MSO_APP"
    PRACTICE_APP = "PRACTICE_APP"
    SYSTEM = "SYSTEM"


READABLE_CLASSES = frozenset(DataClass) - {DataClass.SECRET}


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified credential. `practice_id` is set for a practice's own app and for nothing else;
    a `developer` may send documents of its own and introspect in production. It only reads unless
    it may `write` (mutations, messages), `approve` purchases, `export` whole lists or open labelled
    records in an emergency (`break_glass`). With one of `console` a person signs in there."""

    id: str
    name: str
    kind: PrincipalKind
    practice_id: str | None
    classes: frozenset[DataClass]
    domains: frozenset[Domain]
    purposes: frozenset[Purpose]
    default_purpose: Purpose
    developer: bool = False
    export: bool = False
    write: bool = False
    approve: bool = False
    break_glass: bool = False
    console: bool = False


@dataclass(frozen=True, slots=True)
class AgreementTerm:
    """One row of a service agreement, valid on practice-local dates from `starts_on` until before
    `ends_on` (None: open). `sensitive_records` opens records with a sensitivity label as well."""

    practice_id: str
    practice_zone: str
    domain: Domain
    granularity: Granularity
    purposes: frozenset[Purpose]
    starts_on: date
    ends_on: date | None = None
    data_aggregation: bool = False
    delegates_purchase_approval: bool = False
    sensitive_records: bool = False

    def in_force(self, now: datetime) -> bool:
        """True if `now` (aware) falls inside the term in the practice's own time zone."""
        today = now.astimezone(ZoneInfo(self.practice_zone)).date()
        return self.starts_on <= today and (self.ends_on is None or today < self.ends_on)


@dataclass(frozen=True, slots=True)
class Emergency:
    """An emergency access under way: one patient of one practice, and why (45 CFR
    164.312(a)(2)(ii))."""

    practice_id: str
    patient_id: str
    reason: str


@dataclass(frozen=True)
class Scope:
    """The practices whose rows may be read, per domain, for one principal and one purpose.

    `rows` holds practices readable in full, `limited` those readable without direct identifiers,
    `sensitive` those of them whose records with a sensitivity label may be read too.
    With `consents_at` others with a label are readable too, where their patient consents to it for
    the purpose at that moment.
    In an `emergency` labelled records of its one patient are readable and no others.
    `delegated_approval` lists practices that let the MSO approve their purchase lines.
    `operations` is the hub's own work on its records of operation, `unrestricted` its work across
    practices; neither ever is a request.
    """

    principal_id: str
    principal_name: str
    kind: PrincipalKind
    purpose: Purpose
    classes: frozenset[DataClass]
    rows: Mapping[Domain, frozenset[str]]
    limited: Mapping[Domain, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    sensitive: Mapping[Domain, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    own_practice_id: str | None = None
    delegated_approval: frozenset[str] = frozenset()
    consents_at: datetime | None = None
    emergency: Emergency | None = None
    operations: bool = False
    unrestricted: bool = False

    def practices(self, domain: Domain) -> frozenset[str]:
        """Practices with at least limited rows readable in `domain`."""
        return self._readable[domain]

    def sensitive_practices(self, domain: Domain) -> frozenset[str]:
        """Practices whose labelled records are readable in `domain`."""
        return self.sensitive.get(domain, frozenset()) & self._readable[domain]

    def all_practices(self) -> frozenset[str]:
        """Practices readable in any domain."""
        return self._everywhere

    @cached_property
    def _readable(self) -> Mapping[Domain, frozenset[str]]:
        none: frozenset[str] = frozenset()
        return {d: self.rows.get(d, none) | self.limited.get(d, none) for d in Domain}

    @cached_property
    def _everywhere(self) -> frozenset[str]:
        return frozenset().union(*self._readable.values())

    @property
    def is_mso(self) -> bool:
        """True for the MSO's own apps, which operate the hub."""
        return self.kind is PrincipalKind.MSO_APP or self.unrestricted


def scope_for(
    principal: Principal, terms: Iterable[AgreementTerm], purpose: Purpose, now: datetime
) -> Scope:
    """What `principal` may read for `purpose` at `now` (aware).

    A practice's own app reads its practice in full within the credential's domains; an MSO app
    reads what each agreement in force grants for that purpose. A purpose the credential does not
    hold grants nothing. Records with a sensitivity label need the class PHI_SENSITIVE too, and for
    an MSO app an agreement that names them or their patient's consent.
    """
    rows: dict[Domain, set[str]] = {domain: set() for domain in Domain}
    limited: dict[Domain, set[str]] = {domain: set() for domain in Domain}
    sensitive: dict[Domain, set[str]] = {domain: set() for domain in Domain}
    may_be_sensitive = DataClass.PHI_SENSITIVE in principal.classes
    delegated: set[str] = set()
    by_consent = may_be_sensitive and principal.kind is PrincipalKind.MSO_APP
    if purpose in principal.purposes:
        if principal.practice_id is not None:
            for domain in principal.domains:
                rows[domain].add(principal.practice_id)
                if may_be_sensitive:
                    sensitive[domain].add(principal.practice_id)
        elif principal.kind is PrincipalKind.MSO_APP:
            for term in terms:
                if not term.in_force(now) or term.domain not in principal.domains:
                    continue
                if purpose not in term.purposes:
                    continue
                if term.granularity is Granularity.ROW:
                    rows[term.domain].add(term.practice_id)
                elif term.granularity is Granularity.LIMITED:
                    limited[term.domain].add(term.practice_id)
                if term.sensitive_records and may_be_sensitive:
                    sensitive[term.domain].add(term.practice_id)
                if term.domain is Domain.SUPPLY and term.delegates_purchase_approval:
                    delegated.add(term.practice_id)
    return Scope(
        principal_id=principal.id,
        principal_name=principal.name,
        kind=principal.kind,
        purpose=purpose,
        classes=principal.classes & READABLE_CLASSES,
        rows=MappingProxyType({d: frozenset(ids) for d, ids in rows.items()}),
        limited=MappingProxyType({d: frozenset(ids - rows[d]) for d, ids in limited.items()}),
        sensitive=MappingProxyType({d: frozenset(ids) for d, ids in sensitive.items() if ids}),
        own_practice_id=principal.practice_id,
        delegated_approval=frozenset(delegated),
        consents_at=now if by_consent else None,
    )


def in_emergency(scope: Scope, emergency: Emergency) -> Scope:
    """`scope` with the labelled records of one patient, in the domains it has of their practice,
    and of nobody else."""
    only = frozenset({emergency.practice_id})
    opened = {d: only for d in Domain if emergency.practice_id in scope.practices(d)}
    return replace(scope, sensitive=MappingProxyType(opened), emergency=emergency)


def practice_scope(*practice_ids: str, purpose: Purpose = Purpose.OPERATIONS) -> Scope:
    """The hub's own scope while it works on the data of the practices named, and no other."""
    everything = MappingProxyType({domain: frozenset(practice_ids) for domain in Domain})
    return Scope(
        principal_id="hub",
        principal_name="hub",
        kind=PrincipalKind.SYSTEM,
        purpose=purpose,
        classes=READABLE_CLASSES,
        rows=everything,
        sensitive=everything,
        own_practice_id=practice_ids[0] if len(practice_ids) == 1 else None,
    )


def operations_scope(reason: str) -> Scope:
    """The hub's own scope for its records of operation (messages, jobs, credentials, agreements,
    connections, names of practices), whosever they are; no row of a practice's data."""
    return replace(_of_the_hub(reason), operations=True)


def unrestricted_scope(reason: str) -> Scope:
    """The hub's own scope for work on the data of all practices (purchasing rounds, shared feeds,
    maintenance)."""
    return replace(_of_the_hub(reason), unrestricted=True)


def _of_the_hub(reason: str) -> Scope:
    return Scope(
        principal_id="hub",
        principal_name=f"hub: {reason}",
        kind=PrincipalKind.SYSTEM,
        purpose=Purpose.OPERATIONS,
        classes=READABLE_CLASSES,
        rows=MappingProxyType({}),
    )
