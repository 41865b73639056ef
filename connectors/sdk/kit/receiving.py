"""The hub's side of a webhook, for the kit: what is taken and what is refused, and why."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from connectors.sdk.kit.model import DoesNotApply
from connectors.sdk.kit.subject import NOW, Subject
from connectors.sdk.signatures import (
    Scheme,
    SignatureInvalid,
    VerifiedRequest,
    scheme_from_manifest,
    verify,
)
from connectors.sdk.simulator import Delivery
from hub.errors import ConfigError

FIRST, SECOND, OTHER = (
    "whsec_a2l0LXdlYmhvb2stc2VjcmV0LW9uZQ==",
    "whsec_a2l0LXdlYmhvb2stc2VjcmV0LXR3bw==",
    "whsec_a2l0LXdlYmhvb2stc2VjcmV0LWVuZA==",
)
SETTING = "webhook_secrets"


def scheme_of(subject: Subject) -> Scheme:
    """How the manifest says the vendor signs. Raises ConfigError."""
    webhook = subject.manifest.webhook
    if webhook is None:
        raise DoesNotApply("the vendor sends no webhooks")
    return scheme_from_manifest({"scheme": webhook.scheme, **webhook.params})


def deliveries(subject: Subject, *, secret: str = FIRST, at: datetime = NOW) -> list[Delivery]:
    """What the simulated vendor sends, signed at a time. Raises ConfigError where it sends
    nothing."""
    module = importlib.import_module(f"{subject.package}.simulator")
    if not hasattr(module, "demo_deliveries"):
        raise ConfigError(
            f"{module.__name__} has no demo_deliveries(*, secret, at), which gives the webhooks the"
            " vendor sends.",
            field="simulator",
        )
    found: list[Delivery] = module.demo_deliveries(secret=secret, at=at)
    return found


def settings(secrets: Sequence[str]) -> dict[str, object]:
    """The setting that refers to these secrets, by their number."""
    return {SETTING: [f"secret://conn/kit/{number}" for number, _ in enumerate(secrets)]}


def receive(
    subject: Subject,
    delivery: Delivery,
    *,
    secrets: Sequence[str] = (FIRST,),
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> VerifiedRequest:
    """Take a webhook as the hub does at NOW. Raises SignatureInvalid for one it refuses, and
    ConfigError where the connection's settings cannot name its secrets."""
    given = {**subject.fit.config("kit"), **settings(secrets)}
    config = subject.registry.validate_config(subject.id, given)
    known = dict(zip(settings(secrets)[SETTING], secrets, strict=True))  # type: ignore[call-overload]
    used = [known[reference] for reference in getattr(config, SETTING, ())]
    content = delivery.body if body is None else body
    sent = delivery.headers if headers is None else headers
    return verify(scheme_of(subject), used, sent, content, NOW)


def is_taken(
    subject: Subject,
    delivery: Delivery,
    *,
    secrets: Sequence[str] = (FIRST,),
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> bool:
    """Whether a webhook is taken."""
    try:
        receive(subject, delivery, secrets=secrets, headers=headers, body=body)
    except SignatureInvalid:
        return False
    return True


def genuine(subject: Subject) -> list[Delivery]:
    """The webhooks of the simulator that are taken; where none is, only the check of golden
    signatures has something to say."""
    return [one for one in deliveries(subject) if is_taken(subject, one)]
