"""Messages we author ourselves, built and validated by hl7apy; the only run-time importer of it.

hl7apy knows the structure of every version but is slow and quotes values in its errors: it runs in
jobs, never between arrival and acknowledgement, and its errors are reduced to a path here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from connectors.sdk.hl7v2.lexer import lex
from hub.errors import Rejected

SEGMENTWISE: Mapping[str, tuple[str, ...]] = {"ORM_O01": ("MSH", "PID", "ORC", "OBR")}
"""Structures whose groups hl7apy refuses (it cannot choose among the details of ORM_O01, HL7 v2.5.1
§4.4.1): the segments we write of them, in their order. hl7apy validates each by itself."""


def build_message(
    structure: str, version: str, segments: Sequence[tuple[str, Mapping[int, str]]]
) -> bytes:
    """A valid message from segments with encoded fields, given by their position.

    `structure` is of table 0354 (``ADT_A05``); a segment that belongs to a group carries the
    group's path (``SIU_S12_PATIENT.PID``). Returns bytes with CR ends in UTF-8. Raises `Rejected`
    without values if the standard does not allow the message, or if hl7apy lost or changed
    anything of it.
    """
    try:
        content = (
            _by_segments(SEGMENTWISE[structure], version, segments)
            if structure in SEGMENTWISE
            else _by_structure(structure, version, segments)
        )
    except Exception as error:  # its errors quote values: only their kind may leave
        raise Rejected(
            f"The {structure} message is not valid ({type(error).__name__}).", reason="hl7_invalid"
        ) from None
    if not content.endswith(b"\r"):
        content += b"\r"
    if not _is_faithful(content, segments):
        raise Rejected("The built message lost or changed a value.", reason="hl7_unfaithful")
    return content


def _by_structure(
    structure: str, version: str, segments: Sequence[tuple[str, Mapping[int, str]]]
) -> bytes:
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.core import Message

    message = Message(structure, version=version, validation_level=VALIDATION_LEVEL.STRICT)
    groups: dict[str, object] = {}
    for name, fields in segments:
        _add(message, groups, name, fields)
    message.validate()
    content: bytes = message.to_er7().encode()
    return content


def _by_segments(
    names: Sequence[str], version: str, segments: Sequence[tuple[str, Mapping[int, str]]]
) -> bytes:
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.core import Segment

    if [name for name, _ in segments] != list(names):
        raise ValueError
    lines: list[str] = []
    for name, fields in segments:
        segment = Segment(name, version=version, validation_level=VALIDATION_LEVEL.STRICT)
        given = {1: "|", 2: "^~\\&", **fields} if name == "MSH" else fields
        for position, text in sorted(given.items()):
            setattr(segment, f"{name.lower()}_{position}", text)
        segment.validate()
        lines.append(segment.to_er7())
    return "\r".join(lines).encode()


def _is_faithful(content: bytes, segments: Sequence[tuple[str, Mapping[int, str]]]) -> bool:
    """Whether our own lexer finds every segment in its place, with every field as it was given."""
    built = list(lex(content))
    if [segment.id for segment in built] != [name.rpartition(".")[2] for name, _ in segments]:
        return False
    return all(
        segment.raw(str(position)) == text
        for segment, (_, fields) in zip(built, segments, strict=True)
        for position, text in fields.items()
        if text
    )


def _add(message: object, groups: dict[str, object], name: str, fields: Mapping[int, str]) -> None:
    *path, segment_name = name.split(".")
    parent, key = message, ""
    for group in path:
        key = f"{key}.{group}"
        if key not in groups:
            groups[key] = parent.add_group(group)  # type: ignore[attr-defined]
        parent = groups[key]
    root = segment_name == "MSH"
    add: Callable[[str], object] = parent.add_segment  # type: ignore[attr-defined]
    segment = message.msh if root else add(segment_name)  # type: ignore[attr-defined]
    for position, text in sorted(fields.items()):
        setattr(segment, f"{segment_name.lower()}_{position}", text)
