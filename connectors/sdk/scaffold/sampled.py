"""A parser stub of a sample: the model of its rows, and the record they are most like; pure.

What of a record nothing in the sample fits gets a default and an issue ``not_mapped``, which every
record then shows until a person has decided.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connectors.sdk.scaffold.sample import Column, Sample
from connectors.sdk.scaffold.sampled_text import imports_of, page_function
from connectors.sdk.scaffold.targets import TARGETS, USUAL_WORDS, Slot, Target

_FITS: Final = {
    "text": {"text", "whole"},
    "word": {"text"},
    "day": {"day", "time"},
    "whole": {"whole"},
    "exact": {"exact", "whole"},
}
_TYPES: Final = {
    "text": ("Text", '""'),
    "whole": ("int | None", "None"),
    "exact": ("Amount", '"0.00"'),
    "day": ("Day | None", "None"),
}
_NEEDED: Final = {"text": "str", "whole": "int", "exact": "Amount", "day": "Day"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands in a row: the columns from the row down to it."""

    columns: tuple[Column, ...]

    @property
    def leaf(self) -> Column:
        return self.columns[-1]

    @property
    def path(self) -> str:
        return ".".join(column.key for column in self.columns)

    @property
    def code(self) -> str:
        return "row." + ".".join(column.name for column in self.columns)

    def score(self, slot: Slot) -> int:
        """How much it looks like a slot; 0 for not at all."""
        if self.leaf.kind not in _FITS[slot.takes]:
            return 0
        keys = [re.sub(r"[^a-z0-9]", "", column.key.lower()) for column in self.columns]
        names = {keys[-1], "".join(keys), "".join(keys[-2:])}
        found = [len(slot.names) - at for at, name in enumerate(slot.names) if name in names]
        return max(found, default=0)


@dataclass(frozen=True, slots=True)
class Stub:
    """What is written of a sample: the parser, and what the other files need to know of it."""

    target: Target
    row: str
    parse: str
    unread: tuple[str, ...]


def stub_of(sample: Sample, kind: str, name: str) -> Stub:
    """The stub of the record that the sample's rows are most like."""
    places = [
        place
        for place in _places(sample.columns)
        if place.path not in {sample.id_key, sample.time_key}
    ]
    target, found = max(
        ((target, _assigned(target, places)) for target in TARGETS[kind]),
        key=lambda pair: _likeness(*pair),
    )
    row = f"{target.record}Row"
    unread = tuple(p.path for p in places if p not in found.values())
    body = "\n\n\n".join(
        part
        for part in (
            _words(target, found, sample),
            *_models(sample, target, found, row, unread),
            _mapping(target, found, row, is_patient=kind == "ehr"),
            "" if kind == "ehr" else page_function(sample, row),
        )
        if part
    )
    head = f'"""{"A patient" if kind == "ehr" else "One page"} of {name} to records; pure."""'
    gap = "\n\n" if body.startswith("WORDS") else "\n\n\n"
    imports = imports_of(body, target)
    parse = f"{head}\n\nfrom __future__ import annotations\n\n{imports}{gap}{body}\n"
    return Stub(target, row, parse, unread)


def _places(columns: Sequence[Column], above: tuple[Column, ...] = ()) -> Iterator[Place]:
    for column in columns:
        if column.kind == "part":
            yield from _places(column.parts, (*above, column))
        elif column.kind != "flag":
            yield Place((*above, column))


def _assigned(target: Target, places: Sequence[Place]) -> dict[str, Place]:
    """The place of each slot, the likest first; no place is taken twice."""
    pairs = sorted(
        ((place.score(slot), -at, slot.name, place)
         for at, slot in enumerate(target.slots) for place in places if place.score(slot)),
        key=lambda pair: pair[:3], reverse=True,
    )  # fmt: skip
    found: dict[str, Place] = {}
    for _, _, slot, place in pairs:
        if slot not in found and place not in found.values():
            found[slot] = place
    return found


def _likeness(target: Target, found: Mapping[str, Place]) -> float:
    weights = {slot.name: 3 if slot.needed else 1 for slot in target.slots}
    return sum(weights[name] for name in found) / sum(weights.values())


def _words(target: Target, found: Mapping[str, Place], sample: Sample) -> str:
    """The table of the vendor's words for the slot that takes one of the hub's."""
    for slot in target.slots:
        if slot.takes == "word" and slot.name in found:
            seen = sorted({str(v) for r in sample.rows if (v := _at(r, found[slot.name]))})
            table = {word.upper(): _meant(word, slot) for word in seen}
            known = "".join(f'    "{w}": "{m}",\n' for w, m in table.items() if m)
            lost = "".join(f'    # "{w}": not mapped yet\n' for w, m in table.items() if not m)
            return f"WORDS: Final[Mapping[str, {slot.word}]] = {{\n{known}{lost}}}"
    return ""


def _meant(word: str, slot: Slot) -> str:
    lower = word.lower()
    guess = lower if lower in slot.words else USUAL_WORDS.get(lower, "")
    return guess if guess in slot.words else ""


def _at(row: Mapping[str, Any], place: Place) -> Any:
    value: Any = row
    for column in place.columns:
        value = value.get(column.key) if isinstance(value, Mapping) else None
    return value


def _models(
    sample: Sample, target: Target, found: Mapping[str, Place], row: str, unread: Sequence[str]
) -> list[str]:
    """The classes of the row and of the objects in it, the inner ones first."""
    needed = {slot.name: slot for slot in target.slots}
    lines: defaultdict[tuple[Column, ...], list[str]] = defaultdict(list)
    required: set[tuple[Column, ...]] = set()
    for name, place in found.items():
        must = needed[name].needed or needed[name].takes == "exact"
        lines[place.columns[:-1]].append(_field(place.leaf, needed[name], must))
        if must:
            required |= {place.columns[:depth] for depth in range(1, len(place.columns))}
    parts = sorted({above[:n] for above in lines for n in range(1, len(above) + 1)}, key=len)
    classes = []
    for part in reversed(parts):
        inner = [_part_field(p, p in required) for p in parts if p[:-1] == part]
        classes.append(f"class {_class(part)}(Part):\n" + "".join([*lines[part], *inner]).rstrip())
    own = [
        *_own(sample),
        *lines[()],
        *(_part_field(p, p in required) for p in parts if len(p) == 1),
    ]
    told = _docstring(f"Not read yet: {', '.join(unread)}.") if unread else ""
    return [*classes, f"class {row}(Row):\n{told}" + ("".join(own).rstrip() or "    pass")]


def _docstring(text: str) -> str:
    words, lines = text.split(" "), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 88:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return '    """' + "\n    ".join(lines) + '"""\n\n'


def _own(sample: Sample) -> Iterator[str]:
    """The row's key and time where the vendor calls them otherwise."""
    is_number = isinstance(sample.rows[0][sample.id_key], int)
    if is_number:
        alias = f'min_length=1, validation_alias="{sample.id_key}"'
        yield f"    id: Key = Field({alias})\n"
    elif sample.id_key != "id":
        yield f'    id: str = Field(min_length=1, validation_alias="{sample.id_key}")\n'
    if sample.time_key not in {"", "updated_at"}:
        alias = f'validation_alias="{sample.time_key}"'
        yield f"    updated_at: AwareDatetime | None = Field(None, {alias})\n"


def _field(column: Column, slot: Slot, must: bool) -> str:
    kind = "text" if slot.takes == "word" else slot.takes
    if column.kind == "whole" and kind in {"text", "exact"}:
        kind = "whole"
    alias = f'validation_alias="{column.key}"' if column.name != column.key else ""
    if must:
        least = "min_length=1" if kind == "text" else ""
        inside = ", ".join(part for part in (least, alias) if part)
        return f"    {column.name}: {_NEEDED[kind]}" + (f" = Field({inside})\n" if inside else "\n")
    type_, default = _TYPES[kind]
    if kind == "exact":
        default = f"Decimal({default})"
    value = f"Field({default}, {alias})" if alias else default
    return f"    {column.name}: {type_} = {value}\n"


def _part_field(part: tuple[Column, ...], must: bool) -> str:
    column = part[-1]
    alias = f'validation_alias="{column.key}"' if column.name != column.key else ""
    if must:
        return f"    {column.name}: {_class(part)}" + (f" = Field({alias})\n" if alias else "\n")
    inside = ", ".join(p for p in (f"default_factory={_class(part)}", alias) if p)
    return f"    {column.name}: {_class(part)} = Field({inside})\n"


def _class(part: tuple[Column, ...]) -> str:
    return "".join(word.capitalize() for c in part for word in c.name.split("_"))


def _mapping(target: Target, found: Mapping[str, Place], row: str, *, is_patient: bool) -> str:
    values, lost = {}, []
    for slot in target.slots:
        if slot.name in found:
            values[slot.name] = _expression(slot, found[slot.name])
            values[f"{slot.name}_raw"] = found[slot.name].code
        else:
            values[slot.name], values[f"{slot.name}_raw"] = slot.default, '""'
            if slot.needed:
                lost.append(slot.name)
    first = "authority: str, " if is_patient else ""
    told = "".join(
        f'    issues.add("not_mapped", "{name}", "Nothing is mapped to this field yet.")\n'
        for name in lost
    )
    made = re.sub(r"\{(\w+)\}", lambda slot: values[slot[1]], target.made)
    return (
        f"def to_record({first}row: {row}, issues: Issues) -> {target.record}:\n"
        f'    """What a row says, in the hub\'s terms."""\n{told}    return {made}'
    )


def _expression(slot: Slot, place: Place) -> str:
    code, kind = place.code, place.leaf.kind
    if slot.takes == "word":
        read = f'issues.word("{place.path}", {code}, WORDS, {slot.default})'
        return read if slot.default != "None" else f"{read} if {code} else None"
    if slot.takes == "text" and kind == "whole":
        return f"str({code})" if slot.needed else f'str({code} or "")'
    if slot.takes == "exact" and kind == "whole":
        return f"Decimal({code})"
    if slot.takes == "text" and slot.default == "None":
        return f"{code} or None"
    return code
