"""Small wrong changes of the compiler, the reader and the planner; `test_mutants` must notice each.

A mutant is one replacement in the text of a module; its functions run with the code of the changed
text for as long as the checks take.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

from hub.storage import consents
from hub.storage.reads import (
    binds,
    compile_clauses,
    compile_consents,
    compile_figures,
    compile_objects,
    compile_pages,
    rows,
    run,
    scoping,
    select,
)
from schema.mapping import operation

WRITTEN_FOR_EACH = (compile_clauses, compile_pages, binds)


@dataclass(frozen=True)
class Mutant:
    """`old` stands once in the module's text."""

    name: str
    module: ModuleType
    old: str
    new: str


MUTANTS = [
    Mutant(
        "no null for a link to nothing",
        compile_objects,
        "found = self._single(link.objects, table, row, number, wanted)\n"
        '        return call("coalesce", found, constant("null"))',
        "return self._single(link.objects, table, row, number, wanted)",
    ),
    Mutant(
        "no null for a value that is not there",
        compile_objects,
        "if stored.nullable or suppressed:",
        "if suppressed:",
    ),
    Mutant(
        "a link that leaves the practice",
        compile_objects,
        'clauses.append(equal(columns["practice_id"], practice))',
        "pass",
    ),
    Mutant(
        "no scope where a part begins",
        compile_objects,
        "return None if number is None else self.binds.member(value, number)",
        "return None",
    ),
    Mutant(
        "no scope where another domain begins",
        compile_objects,
        "clauses.append(self.binds.member(practice, number))",
        "pass",
    ),
    Mutant(
        "every practice's operations for a practice",
        compile_objects,
        'return equal(columns["practice_id"], self.binds.own())',
        "return None",
    ),
    Mutant(
        "identifiers of limited rows",
        compile_objects,
        "limited = self.shape.limited_set(row.source) if output.identifier else None",
        "limited = None",
    ),
    Mutant(
        "figures of a small group, as text",
        compile_objects,
        "if self.shape.unrestricted or group is None:",
        "if group is None or self.shape.has_own:",
    ),
    Mutant(
        "fields from last to first",
        compile_objects,
        "for place, output in enumerate(objects.outputs):",
        "for place, output in enumerate(reversed(objects.outputs)):",
    ),
    Mutant(
        "a page without its patients in the audit",
        compile_objects,
        "subject = _named_subject(objects, row)\n        by_id",
        "subject = None\n        by_id",
    ),
    Mutant(
        "a page below that does not say how many rows it lists",
        compile_objects,
        "number = self.mark(Mark(objects.source, counted=True, subject=False, by_id=False))",
        "return []",
    ),
    Mutant(
        "one row too few asked for",
        compile_pages,
        "first = compiler.binds.first(page, 1 if self._more else 0)",
        "first = compiler.binds.first(page, 0)",
    ),
    Mutant(
        "one row too few shown",
        compile_pages,
        'self._rows[_NUMBER], "<=", self._compiler',
        'self._rows[_NUMBER], "<", self._compiler',
    ),
    Mutant(
        "a next page that is not there",
        compile_pages,
        'compare(count(), ">", first)',
        'compare(count(), ">=", first)',
    ),
    Mutant(
        "the last cursor from the next page",
        compile_pages,
        'at = either(equal(place, first), both(equal(place, rows), compare(rows, "<", first)))',
        "at = equal(place, rows)",
    ),
    Mutant(
        "ties in any order",
        compile_pages,
        'keys = [rows[name] for name in (*page.order.columns, "id")]',
        "keys = [rows[name] for name in page.order.columns]",
    ),
    Mutant(
        "descending read as ascending",
        compile_pages,
        "ordered(key, descending=page.order.descending)",
        "ordered(key, descending=False)",
    ),
    Mutant(
        "the cursor's own row again",
        compile_clauses,
        'compare(left, "<" if page.order.descending else ">", together(keys))',
        'compare(left, "<=" if page.order.descending else ">=", together(keys))',
    ),
    Mutant(
        "after the cursor, backwards",
        compile_clauses,
        'compare(left, "<" if page.order.descending else ">", together(keys))',
        'compare(left, ">", together(keys))',
    ),
    Mutant(
        "a cursor of another practice",
        compile_clauses,
        'return table, [equal(table["id"], key), *([] if own is None else [own]), *labels]',
        'return table, [equal(table["id"], key), *labels]',
    ),
    Mutant(
        "a cursor with a label that is not granted",
        compile_clauses,
        'return table, [equal(table["id"], key), *([] if own is None else [own]), *labels]',
        'return table, [equal(table["id"], key), *([] if own is None else [own])]',
    ),
    Mutant(
        "pages with labelled rows",
        compile_clauses,
        "return self._compiler.label_clauses(self._page.source, table) + [",
        "return [",
    ),
    Mutant(
        "a labelled row by its id",
        compile_objects,
        "wanted += self.label_clauses(source, table)\n        found = self._single(root.objects",
        "found = self._single(root.objects",
    ),
    Mutant(
        "a link to a labelled row",
        compile_objects,
        "wanted += self.label_clauses(source, table)\n        found = self._single(link.objects",
        "found = self._single(link.objects",
    ),
    Mutant(
        "labelled rows of every practice where one grants them",
        compile_objects,
        "return [shown]",
        "return []",
    ),
    Mutant(
        "labelled rows that the audit does not tell of",
        compile_objects,
        'return [choose(plain, constant(number), constant(f"{labelled}"))]',
        "return [number]",
    ),
    Mutant(
        "labelled rows, by level",
        select,
        'return or_(columns[LABEL] == "", opened, *given)',
        "return true()",
    ),
    Mutant(
        "labelled rows of everybody in an emergency",
        compile_objects,
        "opened = both(opened, theirs)",
        "pass",
    ),
    Mutant(
        "labelled rows of everybody in an emergency, by level",
        select,
        "opened = and_(opened, columns[labelled_patient(source)] == scope.emergency.patient_id)",
        "pass",
    ),
    Mutant(
        "the practice's patients by one consent",
        compile_consents,
        'equal(given["patient_id"], columns[sql.labelled_patient(source)]),',
        "",
    ),
    Mutant(
        "a patient of another practice by one consent",
        compile_consents,
        'equal(given["practice_id"], columns["practice_id"]),',
        "",
    ),
    Mutant(
        "records of every label by one consent",
        compile_consents,
        "equal(given[sql.LABEL], columns[sql.LABEL]),",
        "",
    ),
    Mutant(
        "records by a consent that was revoked",
        compile_consents,
        'both(is_null(consent["revoked_at"]), compare(consent["starts_at"], "<=", now))',
        'compare(consent["starts_at"], "<=", now)',
    ),
    Mutant(
        "records by a consent that begins later",
        compile_consents,
        'both(is_null(consent["revoked_at"]), compare(consent["starts_at"], "<=", now))',
        'is_null(consent["revoked_at"])',
    ),
    Mutant(
        "records by a consent that is over",
        compile_consents,
        "return both(begun, both(lasts, for_it))",
        "return both(begun, for_it)",
    ),
    Mutant(
        "records by a consent for another purpose",
        compile_consents,
        "return both(begun, both(lasts, for_it))",
        "return both(begun, lasts)",
    ),
    Mutant(
        "records by a consent that was revoked, by level",
        consents,
        "consent.revoked_at.is_(None),",
        "",
    ),
    Mutant(
        "records by a consent for another purpose, by level",
        consents,
        "or_(consent.purpose.is_(None), consent.purpose == scope.purpose.value),",
        "",
    ),
    Mutant(
        "an unknown cursor as an empty page",
        compile_clauses,
        'constant(""), constant(f"{EDGE}{NO_CURSOR}{EDGE}")',
        'constant(""), constant("")',
    ),
    Mutant("no filters", compile_clauses, "return found + self.filters(table)", "return found"),
    Mutant(
        "limited rows that answer a guess",
        compile_clauses,
        "full_rows = sql.needs_full_rows(page)",
        "full_rows = False",
    ),
    Mutant(
        "a list that is not bounded from below",
        binds,
        "return compare(column, COMPARED[item.op], value)",
        'return compare(column, COMPARED["gt" if item.op == "gte" else item.op], value)',
    ),
    Mutant(
        "limited rows left out",
        scoping,
        "readable = whole\n    if any(limited):",
        "readable = whole\n    if not limited:",
    ),
    Mutant(
        "figures of a small group, by statement",
        compile_figures,
        "number(SMALLEST_GROUP)",
        "number(1)",
    ),
    Mutant(
        "figures of one large practice, by statement",
        compile_figures,
        "number(LARGEST_SHARE)",
        "number(1)",
    ),
    Mutant(
        "figures of a practice outside the agreements, by statement",
        compile_figures,
        "return either(shown, negated(exists(outside)))",
        "return either(shown, exists(outside))",
    ),
    Mutant(
        "figures less the practices of the agreements, by statement",
        compile_figures,
        "shown = both(large, _is_large(shares, others))",
        "shown = large",
    ),
    Mutant(
        "figures of a small group, by level",
        select,
        "func.count() >= SMALLEST_GROUP,",
        "func.count() >= 1,",
    ),
    Mutant(
        "figures of one large practice",
        select,
        "func.max(weight) * LARGEST_SHARE <= func.sum(weight)",
        "func.max(weight) <= func.sum(weight)",
    ),
    Mutant(
        "figures of a practice outside the agreements",
        select,
        "return or_(and_(large, others_are_large), ~outside)",
        "return or_(and_(large, others_are_large), outside)",
    ),
    Mutant(
        "figures less the practices of the agreements, by level",
        select,
        "return or_(and_(large, others_are_large), ~outside)",
        "return or_(large, ~outside)",
    ),
    Mutant(
        "no next page, by level",
        select,
        ".order_by(*order_by(source, page.order))\n        .limit(page.first.among(values) + 1)",
        ".order_by(*order_by(source, page.order))\n        .limit(page.first.among(values))",
    ),
    Mutant(
        "the cursor's own row again, by level",
        select,
        "return left < right if order.descending else left > right",
        "return left <= right if order.descending else left >= right",
    ),
    Mutant(
        "another practice's rows, by level",
        select,
        "return and_(_among(columns.practice_id, practices), pointed)",
        "return _among(columns.practice_id, practices)",
    ),
    Mutant(
        "no scope, by level",
        select,
        "listed = _among(columns.practice_id, practice_ids(source, scope, full_rows=full_rows))",
        "listed = true()",
    ),
    Mutant(
        "rows handed to the wrong parent",
        rows,
        "return (values[0], values[1]) if len(partition) == 2 else (None, values[0])",
        "return (values[1], values[0]) if len(partition) == 2 else (None, values[0])",
    ),
    Mutant(
        "one row too many on a page, by level",
        rows,
        "Group(found[:first], len(found) > first)",
        "Group(found[: first + 1], len(found) > first)",
    ),
    Mutant(
        "identifiers of limited rows, by level",
        run,
        "limited = self._scope.limited.get(source.domain) if source.domain else None",
        "limited = None",
    ),
    Mutant(
        "merged fields in the order of the last",
        operation,
        "found.setdefault(key, []).append(node)",
        "found[key] = [*found.pop(key, []), node]",
    ),
    Mutant(
        "a fragment for another type",
        operation,
        "if condition is None or condition.name.value == type_name:\n            return True",
        "if True:\n            return True",
    ),
    Mutant(
        "skipped fields kept",
        operation,
        'if skip and skip["if"]:\n            return False',
        'if skip and skip["if"]:\n            return True',
    ),
]


def codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    """Every piece of code inside another, by its qualified name."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner.co_qualname, inner
            yield from codes(inner)


def functions(owner: Any) -> Iterator[FunctionType]:
    """The functions a module or class defines, methods included."""
    module = getattr(owner, "__module__", owner.__name__)
    for value in vars(owner).values():
        found = getattr(value, "fget", None) or getattr(value, "__func__", value)
        if isinstance(found, FunctionType) and found.__module__ == module:
            yield found
        elif isinstance(value, type) and value.__module__ == module and value is not owner:
            yield from functions(value)


@contextmanager
def changed(mutant: Mutant) -> Iterator[None]:
    """The module's functions as the changed text has them."""
    text = inspect.getsource(mutant.module)
    assert text.count(mutant.old) == 1, f"{mutant.name}: the text to change has changed itself"
    text = text.replace(mutant.old, mutant.new)
    made = dict(codes(compile(text, mutant.module.__name__, "exec", dont_inherit=True)))
    kept = {one: one.__code__ for one in functions(mutant.module) if one.__qualname__ in made}
    try:
        for function in kept:
            function.__code__ = made[function.__qualname__]
        yield
    finally:
        for function, code in kept.items():
            function.__code__ = code
