"""Errors by recovery: the class says what happens next, not where the fault came from.

`code` is the fixed word shown to clients and operators, `http_status` the answer over HTTP and
`retryable` whether the job queue tries again. Messages are written for the person who must act
and never carry values of patients or pay.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar


class HubError(Exception):
    """Root of every expected failure."""

    code: ClassVar[str] = "INTERNAL"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False


class BadSetting(HubError):
    """A setting is missing or unusable; the program does not start."""

    code = "BAD_SETTING"


class Rejected(HubError):
    """Malformed or against a rule: the raw input is kept, the fault named, replay possible."""

    code = "BAD_INPUT"
    http_status = 400

    def __init__(self, message: str, *, reason: str = "rejected", path: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.path = path


class Ignored(HubError):
    """Understood and not wanted: kept, marked and answered with success; never retried."""

    code = "IGNORED"
    http_status = 202


class Unauthenticated(HubError):
    """No credential, or one that does not hold."""

    code = "UNAUTHENTICATED"
    http_status = 401


class Forbidden(HubError):
    """The principal may not do this at all (the operation, not the row)."""

    code = "FORBIDDEN"
    http_status = 403


class BadEnvelope(HubError):
    """A job is not as the hub wrote it: it was made or changed by somebody else, and is not run."""

    code = "BAD_ENVELOPE"


class NotFound(HubError):
    """Missing, foreign or not granted: one answer for all three.

    `sought` is the id that was looked up, so that whoever gave several can be told where it stands
    among theirs; it is not part of the message.
    """

    code = "NOT_FOUND"
    http_status = 404

    def __init__(
        self,
        message: str = "There is no such object, or this credential may not see it.",
        *,
        sought: str = "",
    ) -> None:
        super().__init__(message)
        self.sought = sought


class Conflict(HubError):
    """The state moved on; the caller reads again and decides."""

    code = "CONFLICT"
    http_status = 409


class Throttled(HubError):
    """The caller used up what it may ask for; after `retry_after` seconds it may ask again."""

    code = "RATE_LIMITED"
    http_status = 429

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooSlow(HubError):
    """A request took longer than it may, mostly in the database: nothing was released, and asking
    for less or once more may succeed."""

    code = "UPSTREAM"
    http_status = 504


class Stale(HubError):
    """The data is older than the caller accepts: nothing was read; a sync makes it newer."""

    code = "UPSTREAM"
    http_status = 503


class VendorDown(HubError):
    """Temporary trouble at a vendor: retried with backoff."""

    code = "UPSTREAM"
    http_status = 502
    retryable = True


class NoAnswer(HubError):
    """A field of a query that a vendor answers got none; the field is null, the rest is there."""

    code = "UPSTREAM"
    http_status = 502


class VendorRefused(HubError):
    """The vendor said no: not retried, shown to an operator."""

    code = "UPSTREAM"
    http_status = 502


# The connector taxonomy (docs/reference/connector-contract.md): the type decides what happens.


class Transient(VendorDown):
    """Timeout, reset, 408, 5xx or an unfinished 202: backoff with full jitter, bounded.

    `raw` is what the vendor sent where that was no answer (an HTML page); the engine keeps it.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, raw: bytes = b"") -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.raw = raw


class Unreachable(VendorDown):
    """Nobody takes our connection, so nothing was sent: the work waits and costs no attempt.

    `retry_at` (aware) is when to knock again; without one the queue decides.
    """

    def __init__(self, message: str, *, retry_at: datetime | None = None) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class RateLimited(VendorDown):
    """HTTP 429: parked until `retry_at` (aware) and costs no attempt."""

    def __init__(self, message: str, *, retry_at: datetime, scope: str = "connection") -> None:
        super().__init__(message)
        self.retry_at = retry_at
        self.scope = scope


class ConfigError(VendorRefused):
    """A setting of the connection is wrong; shown at `field` with `hint`."""

    def __init__(self, message: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.hint = hint


class AuthError(VendorRefused):
    """Credentials refused: one refresh, then every stream of the connection stops.

    `kind` is expired, revoked, scope or mfa.
    """

    def __init__(self, message: str, *, kind: str = "revoked") -> None:
        super().__init__(message)
        self.kind = kind


class NotSupported(VendorRefused):
    """The vendor or the plan lacks a feature: the stream is skipped and noted once."""

    def __init__(self, message: str, *, feature: str) -> None:
        super().__init__(message)
        self.feature = feature


class Permanent(VendorRefused):
    """The resource is gone for good: the stream stops."""


class DataError(Rejected):
    """One record cannot be read: quarantined, the rest goes on."""

    def __init__(self, message: str, *, reason: str, path: str = "", ref: str = "") -> None:
        super().__init__(message, reason=reason, path=path)
        self.ref = ref


class ContractDrift(Rejected):
    """A vendor's field changed shape."""


class Held(HubError):
    """The connection is paused: the work waits until `retry_at` (aware) or until a person resumes
    it, and costs no attempt."""

    code = "HELD"

    def __init__(self, message: str, *, retry_at: datetime) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class Halted(Held):
    """A message that could not be read holds what follows it, as its connection agreed; a person
    replays or skips it."""

    code = "HALTED"


class Cancelled(HubError):
    """The work was asked to stop: checkpoint and end, resumable."""


class DeadlineNear(HubError):
    """The time allowed is nearly used up: checkpoint and end, resumable."""


class LeaseLost(HubError):
    """Another worker holds the job now: everything this one did is rolled back."""
