"""Envelopes of jobs: on whose behalf a job runs, signed together with what it is to do.

Whoever can write to the database but holds no key-encryption key cannot make a job, nor turn one
into another: the worker opens the envelope before it runs anything. The key is derived from the
data key of the digests, so that a rotation of the key-encryption key leaves what waits valid.
"""

from __future__ import annotations

import hmac
from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from hub.domain.agreements import PrincipalKind, Scope
from hub.errors import BadEnvelope
from hub.storage.keyed_digest import KeyedDigest

LABEL = "envelopes of jobs"
_VERSION = "1"
_REFUSED = "The job is not as the hub wrote it; nothing of it was run."


@dataclass(frozen=True, slots=True)
class Envelope:
    """`principal_id` asked for the job while the policy had `policy_version`; empty for the hub's
    own work, which `name` says."""

    principal_id: str
    name: str
    policy_version: int

    @classmethod
    def of(cls, scope: Scope, policy_version: int) -> Envelope:
        """For a job added in this scope."""
        own = scope.kind is PrincipalKind.SYSTEM
        return cls("" if own else scope.principal_id, scope.principal_name, policy_version)


def trace_of(sealed: str) -> str:
    """The trace that a job's envelope carries, empty for none."""
    version = sealed.partition(".")[0]
    return version[len(_VERSION) :]


class Envelopes:
    """Seals and opens the envelopes of one database. Without a key, which is for what runs no jobs,
    nothing is signed."""

    def __init__(self) -> None:
        self._digest: KeyedDigest | None = None

    def use(self, key: bytes) -> None:
        """Sign with a key from now on."""
        self._digest = KeyedDigest(key) if key else None

    def seal(
        self,
        envelope: Envelope,
        kind: str,
        practice_id: str | None,
        args: Mapping[str, Any],
        trace: str = "",
    ) -> str:
        """The text stored with a job; empty without a key. `trace`, which is not signed, says in
        which trace the job is seen; it decides nothing."""
        if self._digest is None:
            return ""
        said = f"{envelope.policy_version}.{envelope.principal_id}.{envelope.name}"
        signature = _signature(self._digest, said, kind, practice_id, args)
        return f"{_VERSION}{trace}.{signature}.{said}"

    def open(
        self, sealed: str, kind: str, practice_id: str | None, args: Mapping[str, Any]
    ) -> Envelope:
        """What a job's text says. Raises BadEnvelope unless it was sealed here with that job."""
        version, _, rest = sealed.partition(".")
        signature, _, said = rest.partition(".")
        policy_version, _, who = said.partition(".")
        principal_id, _, name = who.partition(".")
        digest = self._digest
        if (
            digest is None
            or (version != _VERSION and version.partition("-")[0] != _VERSION)
            or not hmac.compare_digest(
                signature.encode(), _signature(digest, said, kind, practice_id, args).encode()
            )
        ):
            raise BadEnvelope(_REFUSED)
        return Envelope(principal_id, name, int(policy_version))


def _signature(
    digest: KeyedDigest, said: str, kind: str, practice_id: str | None, args: Mapping[str, Any]
) -> str:
    """HMAC-SHA-256 of all of it, shortened to 128 bits, in base64."""
    signed = orjson.dumps([_VERSION, said, kind, practice_id, args], option=_CANONICAL)
    return b2a_base64(digest.digest(signed)[:16], newline=False).decode()


_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
