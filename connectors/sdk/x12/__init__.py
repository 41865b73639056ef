"""X12 EDI: our own reader and writer, generic over transaction sets (270/271, 850, 855 ...).

Reading never raises: `read` gives one typed result per interchange, and at least one result::

    from connectors.sdk import x12

    for result in x12.read(raw):                  # bytes
        match result:
            case x12.Interchange():               # .header .delimiters .transactions .ta1s .issues
                for transaction in result.transactions:   # .set_id .control .version .group
                    for segment in transaction.segments:  # ST and SE included
                        segment.id, segment.position      # position counts from ST = 1
                        segment.get(3)                    # element 03, "" when absent
                        segment.repeats(3)                # its repetitions
                        segment.components(13)            # its components; component(13, 2) for one
            case x12.TruncatedResponse():         # .text .header .transactions (those complete)
            case x12.NotX12():                    # .kind html, text or empty; .text
            case x12.TooLarge():                  # .text

`interchanges(raw)` gives the same as a tuple of `Interchange` or raises `hub.errors.DataError`.

Writing counts and pads the envelope; a fault in the data raises `DataError` naming the element::

    raw = x12.write(
        x12.Envelope(
            sender_qualifier="ZZ", sender="MSO", receiver_qualifier="14", receiver="0012345678",
            control=17, group_control=17, functional_id="PO", version="004010", sent_at=now,
        ),
        [x12.Draft("850", "0001", [("BEG", "00", "SA", "PO-1", "", "20260301"), ...])],
    )

An element is a string, a tuple is a composite, a list holds repetitions. SE, GE and IEA are
counted; ST03 is written where `Draft.implementation` is set.

`read_acknowledgment(transaction)` reads a 997 or 999; `write_997(interchange, ...)` answers the
groups of an interchange.
"""

from connectors.sdk.x12.acks import (
    Acknowledgment,
    ElementError,
    SegmentError,
    SetAcknowledgment,
    read_acknowledgment,
    write_997,
)
from connectors.sdk.x12.model import (
    TA1,
    Delimiters,
    Group,
    Interchange,
    InterchangeHeader,
    NotX12,
    Result,
    Segment,
    TooLarge,
    Transaction,
    TruncatedResponse,
)
from connectors.sdk.x12.reader import LIMITS, Limits, interchanges, read
from connectors.sdk.x12.writer import Draft, Element, Envelope, SegmentDraft, write

__all__ = [
    "Acknowledgment",
    "Delimiters",
    "Draft",
    "Element",
    "ElementError",
    "Envelope",
    "Group",
    "Interchange",
    "InterchangeHeader",
    "LIMITS",
    "Limits",
    "NotX12",
    "Result",
    "Segment",
    "SegmentDraft",
    "SegmentError",
    "SetAcknowledgment",
    "TA1",
    "TooLarge",
    "Transaction",
    "TruncatedResponse",
    "interchanges",
    "read",
    "read_acknowledgment",
    "write",
    "write_997",
]
