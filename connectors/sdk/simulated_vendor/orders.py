"""A simulated vendor's order book: one order per number and key, remembered over restarts.

The journal holds one JSON object per line, forced to disk before the order is answered. Its key
``event`` is ``order`` (with ``number``, the order and the webhooks it causes), ``submission`` for
each further attempt, or ``delivered`` for each webhook the hub took.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.sdk.signatures import Scheme
from connectors.sdk.simulated_vendor.delivery import Courier, VendorEvent, WebhookTarget


class KeyReused(Exception):
    """The idempotency key or the order number came before with another content."""


@dataclass
class BookedOrder:
    """`content` is the order as the vendor read it, JSON values only."""

    number: str
    key: str
    vendor_order_id: str
    content: dict[str, Any]
    submissions: int = 1


class OrderBook:
    """Accepts orders once and sends their events; safe to use from several threads."""

    def __init__(self, journal: Path | None, scheme: Scheme, target: WebhookTarget | None) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._orders: dict[str, BookedOrder] = {}
        self.courier = Courier(scheme, self._delivered)
        self.courier.enqueue(self._load())
        self.courier.point_at(target)

    def submit(
        self,
        number: str,
        key: str,
        content: dict[str, Any],
        accept: Callable[[int], tuple[str, Sequence[VendorEvent]]],
    ) -> tuple[BookedOrder, bool]:
        """The booked order and whether it is new.

        `accept` gets a running number and gives the vendor's order id and the events; it is called
        for a new order only. Raises KeyReused.
        """
        with self._lock:
            known = next(
                (o for o in self._orders.values() if number == o.number or key == o.key), None
            )
            if known is not None:
                if known.content != content:
                    raise KeyReused
                known.submissions += 1
                self._append({"event": "submission", "number": known.number})
                return known, False
            vendor_order_id, events = accept(len(self._orders) + 1)
            order = BookedOrder(number, key, vendor_order_id, content)
            self._append(_entry(order, events))
            self._orders[number] = order
        self.courier.enqueue(list(events))
        return order, True

    def get(self, number: str) -> BookedOrder | None:
        with self._lock:
            return self._orders.get(number)

    def listing(self) -> list[dict[str, Any]]:
        """The orders for ``GET /_control/orders``."""
        with self._lock:
            return [
                {
                    "number": order.number,
                    "key": order.key,
                    "vendor_order_id": order.vendor_order_id,
                    "submissions": order.submissions,
                    "content": order.content,
                }
                for order in self._orders.values()
            ]

    def _append(self, entry: dict[str, Any]) -> None:
        if self._journal is None:
            return
        with self._journal.open("ab") as file:
            file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _delivered(self, event: VendorEvent) -> None:
        with self._lock:
            self._append({"event": "delivered", "id": event.id})

    def _load(self) -> list[VendorEvent]:
        """Read the journal; gives the events not delivered yet. A torn last line is dropped."""
        if self._journal is None or not self._journal.exists():
            return []
        waiting: dict[str, VendorEvent] = {}
        content = self._journal.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:  # killed while writing: that order was never answered
            self._journal.write_bytes(whole)
        for line in whole.splitlines():
            entry = json.loads(line)
            if entry["event"] == "submission":
                self._orders[entry["number"]].submissions += 1
            elif entry["event"] == "delivered":
                waiting.pop(entry["id"], None)
            else:
                order = entry["order"]
                self._orders[order["number"]] = BookedOrder(**order)
                for event in entry["webhooks"]:
                    body = base64.b64decode(event.pop("body"))
                    waiting[event["id"]] = VendorEvent(body=body, **event)
        return list(waiting.values())


def _entry(order: BookedOrder, events: Sequence[VendorEvent]) -> dict[str, Any]:
    return {
        "event": "order",
        "number": order.number,
        "order": {
            "number": order.number,
            "key": order.key,
            "vendor_order_id": order.vendor_order_id,
            "content": order.content,
        },
        "webhooks": [
            {
                "id": event.id,
                "order": event.order,
                "kind": event.kind,
                "body": base64.b64encode(event.body).decode(),
                "content_type": event.content_type,
            }
            for event in events
        ],
    }
