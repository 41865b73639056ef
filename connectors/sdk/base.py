"""The connector contract, version 1: small protocols; a connector implements those it can.

A connector is a folder ``connectors/<id>/`` with ``connector.toml`` (the manifest) and a module
``connector.py`` whose ``connector`` object implements the protocols its manifest's ``capabilities``
name: ``source``, ``document_parser``, ``eligibility``, ``order_placer``, ``message_sender``. It
keeps no state, opens no file, reads no environment, starts no thread and never sleeps; everything
it needs comes in `Ctx`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol, runtime_checkable

from connectors.sdk.config import ConnectorConfig
from connectors.sdk.ctx import Ctx
from hub.domain.clinical_orders import ClinicalOrder
from hub.domain.eligibility import EligibilityQuery, EligibilityResult
from hub.domain.records import Cursor, Issue, Page, Record
from hub.domain.scheduling import Appointment
from hub.domain.supply import OrderToPlace, SubmitReceipt

ConnectorKind = Literal["ehr", "payer", "payroll", "supply"]


@dataclass(frozen=True, slots=True)
class Probe:
    """One finding of a check: `error` says what is wrong, `hint` what to do about it."""

    name: str
    ok: bool
    error: str = ""
    hint: str = ""
    milliseconds: int = 0


@dataclass(frozen=True, slots=True)
class CheckReport:
    probes: tuple[Probe, ...]

    @property
    def ok(self) -> bool:
        return all(probe.ok for probe in self.probes)


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream a source offers, declared without I/O or credentials.

    `record` is the canonical dataclass; `cursor_field` the vendor's field that grows; `lookback` is
    subtracted from the cursor when asking (ties and late rows are deduplicated by upsert);
    `safety_lag` from the frozen upper bound; `order` says whether pages come sorted by the cursor
    field, so that the cursor may move per page; `depends_on` names streams that must run first;
    `pii` the personal fields.
    """

    name: str
    record: type
    mode: Literal["full", "incremental"]
    cursor_field: str = ""
    granularity: timedelta = timedelta(seconds=1)
    lookback: timedelta = timedelta(0)
    safety_lag: timedelta = timedelta(seconds=5)
    order: Literal["sorted", "unsorted"] = "unsorted"
    deletes: Literal["tombstones", "snapshot_diff", "none"] = "none"
    pii: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """The upper bound of a run, frozen at its start; aware, inclusive."""

    until: datetime


@dataclass(frozen=True, slots=True)
class RawDocument:
    """Bytes as received, with the content type and the allowed headers (lower-case names)."""

    content: bytes
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """One event of a webhook body: the vendor's id and type, the entity it speaks of, its
    payload."""

    id: str
    type: str
    entity: str
    payload: Mapping[str, object]
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What a document means. `ignored` gives the reason where it is understood and not wanted;
    `replies` are documents owed to the sender (an X12 997), sent by a job after the commit."""

    records: tuple[Record, ...] = ()
    issues: tuple[Issue, ...] = ()
    ignored: str = ""
    replies: tuple[RawDocument, ...] = ()


class Connector(Protocol):
    """What every connector offers: its settings model and a check that never raises or writes."""

    Config: type[ConnectorConfig]

    def check(self, ctx: Ctx) -> CheckReport:
        """Probe address, credentials and permissions with safe verbs only."""
        ...


@runtime_checkable
class Source(Protocol):
    """Pulled by the sync engine."""

    def streams(self) -> Sequence[StreamSpec]: ...

    def read(self, ctx: Ctx, stream: str, cursor: Cursor | None, window: Window) -> Iterator[Page]:
        """Yield pages from `cursor` (None: from the beginning) up to `window.until`.

        Asks inclusively from the cursor less the stream's lookback. The last page has
        ``complete=True``. Raises the errors of `hub.errors`: Transient, RateLimited, AuthError,
        ConfigError, NotSupported, Permanent; a single bad record goes to ``Page.rejected``.
        """
        ...


@runtime_checkable
class DocumentParser(Protocol):
    """Bytes that came to us (HL7 frame, webhook body, X12 file) to records; pure."""

    def parse(self, config: ConnectorConfig, document: RawDocument) -> ParsedDocument:
        """Raises `hub.errors.Rejected` (reason, path, no values) if nothing can be read."""
        ...


@runtime_checkable
class EligibilityClient(Protocol):
    def inquire(self, ctx: Ctx, query: EligibilityQuery) -> EligibilityAnswer:
        """Ask the payer. A payer's AAA is an answer; a transport failure is an error.

        Raises Transient, RateLimited, AuthError, DataError (an answer to another request, or one
        cut short twice), NotSupported.
        """
        ...


@dataclass(frozen=True, slots=True)
class EligibilityAnswer:
    """The canonical result and the exact bytes it was read from."""

    result: EligibilityResult
    raw: bytes


@runtime_checkable
class OrderPlacer(Protocol):
    def submit(self, ctx: Ctx, order: OrderToPlace, idempotency_key: str) -> SubmitReceipt:
        """Send the order once; the same key again must not create a second order."""
        ...

    def lookup(self, ctx: Ctx, order: OrderToPlace, idempotency_key: str) -> SubmitReceipt | None:
        """Ask whether the vendor already holds the order; called before any resend."""
        ...

    def reply(self, ctx: Ctx, document: RawDocument) -> None:
        """Send a document owed to the vendor (an X12 997); vendors without replies do nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A receiver's answer to one message.

    `verdict`: accepted (HL7 AA, CA), again (AE, CE: the same bytes may be taken later) or refused
    (AR, CR). `code` is the answer's own word, `reason` and `path` the first fault it names,
    without values; `raw` the answer as received, which may hold values.
    """

    verdict: Literal["accepted", "again", "refused"]
    code: str
    reason: str
    path: str
    raw: bytes


class Link(Protocol):
    """An open connection to a destination; the engine keeps it and lends it to one job at a
    time."""

    def exchange(self, content: bytes) -> Acknowledgement:
        """Send one message as it is and wait for the answer that names it.

        Raises Transient where none came: whether the receiver has the message is unknown, and the
        same bytes are to be sent again.
        """
        ...

    def is_open(self) -> bool:
        """Whether it can be used again; False once the other side has ended it."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class MessageSender(Protocol):
    """Messages of ours to another system, one after another over one connection."""

    def open(self, ctx: Ctx) -> Link:
        """Connect. Raises Unreachable while nobody takes the connection, ConfigError for settings
        or secrets that cannot be used."""
        ...


@dataclass(frozen=True, slots=True)
class Draft:
    """An HL7 v2 message to be built: structure of table 0354, version, and segments (with the path
    of their group) with encoded fields by position, as `connectors.sdk.hl7v2.builder` takes them.
    """

    structure: str
    version: str
    segments: tuple[tuple[str, Mapping[int, str]], ...]


@dataclass(frozen=True, slots=True)
class AppointmentNotice:
    """An appointment another system is told of. `key` is our stable key of it, `is_new` whether the
    receiver hears of it for the first time; `control_id` and `sent_at` go into the header."""

    key: str
    appointment: Appointment
    is_new: bool
    control_id: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class OrderNotice:
    """A clinical order another system is told of. `key` is our stable key of it, which stands for a
    missing placer number; `is_new` whether the receiver hears of it for the first time;
    `control_id` and `sent_at` go into the header."""

    key: str
    order: ClinicalOrder
    is_new: bool
    control_id: str
    sent_at: datetime


@runtime_checkable
class MessageAuthor(Protocol):
    """Writes messages of our own for a destination; pure."""

    def draft_order(self, config: ConnectorConfig, notice: OrderNotice) -> Draft:
        """Raises Rejected if the notice lacks what the message needs."""
        ...

    def draft_appointment(self, config: ConnectorConfig, notice: AppointmentNotice) -> Draft:
        """Raises Rejected if the notice lacks what the message needs."""
        ...
