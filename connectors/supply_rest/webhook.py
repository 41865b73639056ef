"""Which events Brightwell sends and which of them matter; pure."""

from __future__ import annotations

import json
from decimal import Decimal

from pydantic import ValidationError

from connectors.sdk.base import InboundEvent, RawDocument
from connectors.supply_rest.payloads import Event
from hub.errors import DataError

IGNORED = frozenset(
    {
        "order.received",
        "order.picking",
        "shipment.in_transit",
        "shipment.delivered",
        "invoice.paid",
        "catalog.updated",
        "webhook.test",
    }
)


def route(document: RawDocument) -> list[InboundEvent]:
    """The event of a webhook body, numbers kept exact; a body holds exactly one.

    Raises DataError with the path of the fault and without values.
    """
    try:
        body = json.loads(document.content, parse_float=Decimal, parse_constant=_refuse)
        event = Event.model_validate(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        path = "$." + ".".join(str(part) for part in fault["loc"])
        raise DataError(
            f"The event is unreadable at {path}.", reason=fault["type"], path=path
        ) from None  # pydantic's text repeats the input
    except (ValueError, RecursionError) as error:
        raise DataError("The body is not JSON.", reason="not_json", path="$") from error
    entity = event.data.get("purchase_order_number") or event.data.get("invitation")
    return [
        InboundEvent(
            id=event.id,
            type=event.type,
            entity=entity if isinstance(entity, str) else "",
            payload=event.data,
            occurred_at=event.created_at,
        )
    ]


def _refuse(name: str) -> Decimal:
    raise ValueError(f"{name} is not a number in JSON")
