"""Eligibility answers: time to read and normalise a 271, beside a plain split of the same text.

Run `python bench/payers.py [--rounds N] [--json]`. Every figure is measured in this run on one
core; with --json the last line is {"claims": [...]}.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from datetime import date
from pathlib import Path

# Not this script's directory, which holds files of our packages' names.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.parts.claims import at_most, shown, tell
from connectors.payer_x12.parse import read_answer
from connectors.sdk import x12

FIXTURE = Path(__file__).parents[1] / "fixtures" / "payer_x12" / "segments_111.edi"
SEGMENTS_LARGE = 22_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400, help="measured repetitions")
    parser.add_argument("--json", action="store_true", help="end with one line of claims")
    options = parser.parse_args()
    raw = FIXTURE.read_bytes()
    large = repeated(raw, SEGMENTS_LARGE)

    split, read, normalised = medians(
        [lambda: plain_split(raw), lambda: x12.read(raw), lambda: answer(raw)], options.rounds
    )
    started = time.perf_counter()
    (result,) = x12.read(large)
    large_seconds = time.perf_counter() - started
    if not isinstance(result, x12.Interchange):
        raise SystemExit("The large interchange was not read.")
    heap = peak_heap(lambda: x12.read(large))
    cuts = sum(silently_empty(raw[:length]) for length in range(0, len(raw) - 1, 7))

    claims = [
        at_most("111-segment 271 read and normalised, median", normalised, 1.0, "ms"),
        shown("the same beside a plain split of the text", normalised / split),
        shown("reading alone beside a plain split of the text", read / split),
        at_most(f"{SEGMENTS_LARGE} segments read", large_seconds, 0.5, "s"),
        at_most(f"{SEGMENTS_LARGE} segments read, heap above the input", heap, 10.0, "MiB"),
        at_most("cut answers read as an outcome", cuts, 0, "answers"),
    ]
    tell(claims, options.json)


def answer(raw: bytes) -> object:
    return read_answer(
        raw, trace="TRACE0001", trace_company="9MSOHUB000", service_date=date(2026, 3, 4)
    )


def plain_split(raw: bytes) -> list[list[str]]:
    """The floor: segments and elements as lists of strings, nothing understood."""
    return [segment.split("*") for segment in raw.decode().split("~")]


def medians(works: list[Callable[[], object]], rounds: int) -> list[float]:
    """Median milliseconds of each work, taken in turns so that all see the same machine."""
    times: list[list[float]] = [[] for _ in works]
    for number in range(rounds + 20):
        for work, found in zip(works, times, strict=True):
            started = time.perf_counter()
            work()
            if number >= 20:
                found.append((time.perf_counter() - started) * 1000)
    return [statistics.median(found) for found in times]


def repeated(raw: bytes, segments: int) -> bytes:
    """The same interchange with its benefits repeated up to `segments`."""
    lines = raw.decode().split("~")[:-1]
    head, body, tail = lines[:20], lines[20:-3], lines[-3:]
    while len(head) + len(tail) + len(body) < segments:
        body += body[: segments - len(head) - len(tail) - len(body)]
    return ("~".join([*head, *body, *tail]) + "~").encode()


def peak_heap(work: Callable[[], object]) -> float:
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 2**20


def silently_empty(raw: bytes) -> bool:
    try:
        answer(raw)
    except Exception:
        return False
    return True


if __name__ == "__main__":
    main()
