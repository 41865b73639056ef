"""Where a record came from: the connection, its key there, and when it arrived."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from schema.mapping.declare import Facet, col, one


def source(
    data_class: DataClass,
    *,
    identifier: bool = True,
    external_id: str = "external_id",
    received_at: str = "received_at",
) -> dict[str, Facet]:
    """The facet of a record that a connector may have brought.

    `data_class` is that of its key at the source; `identifier` False where the key names no person
    (45 CFR 164.514(e)(2)). `external_id` and `received_at`: the columns of that key and of its
    latest arrival.
    """
    facet = Facet(
        type_name="Source",
        interface="Sourced",
        present="connection_id",
        fields={
            "externalId": col(
                data_class,
                external_id,
                identifier=identifier,
                help="The record's key at its source; of the data class of the record's own keys.",
            ),
            "receivedAt": col(
                DataClass.OPERATIONAL,
                received_at,
                help="When the latest message or page about the record arrived.",
            ),
        },
        links={
            "connection": one(
                "Connection",
                "connection_id",
                help="Null where it is not one the credential may see, as a feed practices share.",
            )
        },
        help="Where the record came from; null if no connector brought it.",
    )
    return {"source": facet}
