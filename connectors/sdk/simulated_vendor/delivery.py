"""Sends a simulated vendor's signed webhooks: in order per purchase order, again until taken."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx2

from connectors.sdk.signatures import Scheme, sign
from connectors.sdk.simulator import Delivery


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where the hub listens and the secret it was given; times in seconds.

    `delay` passes between the events of one order, `first_retry` doubles up to `last_retry`.
    `mischief` sends, once each, an event twice and an event with a wrong signature.
    """

    url: str
    secret: str
    delay: float = 0.05
    first_retry: float = 0.2
    last_retry: float = 5.0
    mischief: bool = False


@dataclass(frozen=True, slots=True)
class VendorEvent:
    """One message to deliver; `order` keeps the events of a purchase order in sequence."""

    id: str
    order: str
    kind: str
    body: bytes
    content_type: str


def signed(scheme: Scheme, event: VendorEvent, *, secret: str, at: datetime) -> Delivery:
    """An event as it goes over the wire at a time (aware)."""
    headers = sign(scheme, secret, event_id=event.id, timestamp=at, body=event.body)
    return Delivery(headers, event.content_type, event.body)


@dataclass
class _Lane:
    events: deque[VendorEvent] = field(default_factory=deque)
    due: float = 0.0
    attempts: int = 0


class Courier:
    """A thread that delivers events; `delivered` is called once per event the hub took (2xx)."""

    def __init__(self, scheme: Scheme, delivered: Callable[[VendorEvent], None]) -> None:
        self._scheme = scheme
        self._delivered = delivered
        self._lanes: dict[str, _Lane] = {}
        self._wake = threading.Condition()
        self._target: WebhookTarget | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._mischief: set[str] = set()
        self.log: list[dict[str, str | int]] = []

    def point_at(self, target: WebhookTarget | None) -> None:
        """Deliver to `target` from now on; what waits is sent at once. None: keep waiting."""
        with self._wake:
            self._target = target
            self._mischief = {"forged", "duplicate"} if target and target.mischief else set()
            for lane in self._lanes.values():
                lane.due = 0.0
            self._start()
            self._wake.notify()

    def enqueue(self, events: list[VendorEvent]) -> None:
        with self._wake:
            for event in events:
                self._lanes.setdefault(event.order, _Lane()).events.append(event)
            self._start()
            self._wake.notify()

    def waiting(self) -> int:
        """How many events the hub has not taken yet."""
        with self._wake:
            return sum(len(lane.events) for lane in self._lanes.values())

    def close(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _start(self) -> None:
        if self._thread is None and self._target is not None:
            self._thread = threading.Thread(target=self._run, daemon=True, name="vendor-courier")
            self._thread.start()

    def _run(self) -> None:
        with httpx2.Client(timeout=5, trust_env=False) as client:
            while True:
                with self._wake:
                    lane = self._next_lane()
                    if lane is None:
                        return
                    event, target = lane.events[0], self._target
                if target is not None:
                    self._deliver(client, target, lane, event)

    def _next_lane(self) -> _Lane | None:
        """Wait until a lane is due; None when the courier is closed."""
        while not self._stopping:
            busy = [lane for lane in self._lanes.values() if lane.events]
            lane = min(busy, key=lambda lane: lane.due, default=None)
            if lane is None or self._target is None:
                self._wake.wait()
                continue
            left = lane.due - time.monotonic()
            if left <= 0:
                return lane
            self._wake.wait(left)
        return None

    def _deliver(
        self, client: httpx2.Client, target: WebhookTarget, lane: _Lane, event: VendorEvent
    ) -> None:
        if "forged" in self._mischief:
            self._mischief.discard("forged")
            self._post(client, target, event, "forged", secret="not " + target.secret)
        taken = self._post(client, target, event, "genuine", secret=target.secret)
        if taken and "duplicate" in self._mischief:
            self._mischief.discard("duplicate")
            self._post(client, target, event, "duplicate", secret=target.secret)
        if taken:
            self._delivered(event)
        with self._wake:
            lane.attempts = 0 if taken else lane.attempts + 1
            if taken:
                lane.events.popleft()
            backoff = min(target.last_retry, target.first_retry * 2 ** min(lane.attempts, 16) / 2)
            lane.due = time.monotonic() + (target.delay if taken else backoff)

    def _post(
        self,
        client: httpx2.Client,
        target: WebhookTarget,
        event: VendorEvent,
        note: str,
        *,
        secret: str,
    ) -> bool:
        sent = signed(self._scheme, event, secret=secret, at=datetime.now(UTC))
        headers = {**sent.headers, "content-type": sent.content_type}
        try:
            response = client.post(target.url, content=sent.body, headers=headers)
            status = response.status_code
        except httpx2.HTTPError:
            status = 0
        self.log.append({"event": event.id, "kind": event.kind, "note": note, "status": status})
        return 200 <= status < 300
