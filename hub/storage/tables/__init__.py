"""All tables. Import from here; `Base.metadata` is what migrations are checked against."""

from hub.storage.tables import audit_subjects, row_security, triggers
from hub.storage.tables.audit import AuditEvent, AuditHead
from hub.storage.tables.base import Base, Labelled, PracticeOwned, Sourced, new_id
from hub.storage.tables.bids import (
    Bid,
    BidInvitation,
)
from hub.storage.tables.care import CareRole, Procedure
from hub.storage.tables.clinical import (
    ClinicalDocument,
    ClinicalOrder,
    DocumentPart,
    Immunization,
)
from hub.storage.tables.consents import Consent
from hub.storage.tables.eligibility import (
    Coverage,
    EligibilityBenefit,
    EligibilityCheck,
    Payer,
    PayerControlNumber,
)
from hub.storage.tables.emergencies import EmergencyAccess
from hub.storage.tables.epochs import Epoch
from hub.storage.tables.events import Event, EventHead
from hub.storage.tables.exports import ConnectionCheck, ConnectionProbe, Export
from hub.storage.tables.keys import DataKey
from hub.storage.tables.metrics import MetricFigure
from hub.storage.tables.operations import (
    CostBucket,
    DataIssue,
    InboundMessage,
    JobRow,
    Lane,
    LegalHold,
    MutationOutcome,
    Schedule,
    StreamState,
    SyncCursor,
    SyncRun,
)
from hub.storage.tables.outbox import OutboundMessage
from hub.storage.tables.patient_details import (
    Allergy,
    Diagnosis,
    Guarantor,
    ListedOfPatient,
    PatientAddress,
    PatientContact,
    PatientName,
    PatientTelecom,
)
from hub.storage.tables.patients import Patient, PatientIdentifier, PatientMerge, Provider
from hub.storage.tables.payroll import (
    Employment,
    PayPeriod,
    PayrollRun,
    PayStatement,
    PayStatementLine,
    Worker,
)
from hub.storage.tables.policy import PolicyVersion
from hub.storage.tables.receiving import (
    InvoiceMatch,
    MatchFinding,
    Shortfall,
)
from hub.storage.tables.requisitions import (
    ItemMatch,
    ItemPack,
    ItemUsage,
    MatchSuggestion,
    ParLevel,
    RequisitionEntry,
)
from hub.storage.tables.round_offers import ApprovedEquivalent, RoundOffer, RoundSupplier
from hub.storage.tables.rounds import (
    PlanAward,
    PlanShare,
    PurchasingDecision,
    PurchasingExclusion,
    PurchasingParticipation,
    PurchasingPlan,
    PurchasingStep,
)
from hub.storage.tables.savings import (
    BenchmarkQuarter,
    FeeAgreement,
    MemberStatement,
    PriceBenchmark,
    PricePoint,
    RoundSaving,
    Saving,
    SavingLine,
    SupplierPayment,
)
from hub.storage.tables.scenarios import (
    PurchasingScenario,
    ScenarioShare,
    SolveCheckpoint,
)
from hub.storage.tables.supply import (
    Item,
    Offer,
    OfferTier,
    OrderDocument,
    PurchaseOrder,
    PurchaseOrderLine,
    PurchasingRound,
    PurchasingShare,
    Requisition,
    RequisitionLine,
    Supplier,
)
from hub.storage.tables.tenancy import (
    Client,
    ClientDocument,
    Connection,
    ConnectionPractice,
    ConnectionSecret,
    ConnectionVersion,
    ConsoleSession,
    Practice,
    ServiceAgreement,
)
from hub.storage.tables.visits import (
    Appointment,
    AppointmentResource,
    Charge,
    Encounter,
    EncounterStay,
    Observation,
    ObservationVersion,
)

__all__ = [
    "Allergy", "Appointment", "AppointmentResource", "ApprovedEquivalent", "AuditEvent",
    "AuditHead", "Base", "BenchmarkQuarter", "Bid", "BidInvitation", "CareRole", "Charge", "Client",
    "ClientDocument", "ClinicalDocument", "ClinicalOrder", "Connection", "ConnectionCheck",
    "ConnectionPractice", "ConnectionProbe", "ConnectionSecret", "ConnectionVersion",
    "Consent", "ConsoleSession", "CostBucket", "Coverage", "DataIssue", "DataKey", "Diagnosis",
    "DocumentPart", "EligibilityBenefit",
    "EligibilityCheck", "EmergencyAccess", "Employment", "Encounter", "EncounterStay", "Epoch",
    "Event", "EventHead",
    "Export", "FeeAgreement", "Guarantor", "Immunization", "InboundMessage", "InvoiceMatch", "Item",
    "ItemMatch", "ItemPack", "ItemUsage", "JobRow", "Labelled", "Lane", "LegalHold",
    "ListedOfPatient", "MatchFinding", "MatchSuggestion", "MemberStatement", "MetricFigure",
    "MutationOutcome", "Observation", "ObservationVersion", "Offer", "OfferTier", "OrderDocument",
    "OutboundMessage", "ParLevel", "Patient", "PatientAddress", "PatientContact",
    "PatientIdentifier", "PatientMerge", "PatientName", "PatientTelecom", "PayPeriod",
    "PayStatement", "PayStatementLine", "Payer", "PayerControlNumber", "PayrollRun", "PlanAward",
    "PlanShare", "PolicyVersion", "Practice", "PracticeOwned", "PriceBenchmark", "PricePoint",
    "Procedure", "Provider", "PurchaseOrder", "PurchaseOrderLine", "PurchasingDecision",
    "PurchasingExclusion",
    "PurchasingParticipation", "PurchasingPlan", "PurchasingRound", "PurchasingScenario",
    "PurchasingShare", "PurchasingStep", "Requisition", "RequisitionEntry", "RequisitionLine",
    "RoundOffer", "RoundSaving", "RoundSupplier", "Saving", "SavingLine", "ScenarioShare",
    "Schedule", "ServiceAgreement", "Shortfall", "SolveCheckpoint", "Sourced", "StreamState",
    "Supplier", "SupplierPayment", "SyncCursor", "SyncRun", "Worker", "audit_subjects", "new_id",
    "row_security", "triggers",
]  # fmt: skip
