"""What spans cost: processor time of one while traces are off, and while they are on.

Run `python bench/tracing.py [--spans N] [--json]`. On means the SDK of OpenTelemetry with a
processor that keeps nothing. With --json the last line is {"claims": [...]}.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

# Not this script's directory, which holds files of our packages' names.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from opentelemetry.sdk.trace import SpanProcessor

from bench.parts.claims import at_most, shown, tell
from hub import tracing

MOST_OFF_MICROSECONDS = 2.0
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=20_000, help="spans of each round")
    parser.add_argument("--json", action="store_true", help="end with one line of claims")
    options = parser.parse_args()
    off = {
        "a GraphQL operation": microseconds(_operation, options.spans),
        "a job or message that is added": microseconds(tracing.carried, options.spans),
        "a message of MLLP": microseconds(tracing.is_on, options.spans),
    }
    tracing.use(SpanProcessor())
    on = microseconds(_operation, options.spans // 10)
    tracing.stop()
    for name, value in off.items():
        print(f"off, {name}: {value:.2f} µs of processor time")
    claims = [
        at_most(
            "a span while traces are off, the dearest",
            max(off.values()),
            MOST_OFF_MICROSECONDS,
            "µs",
        ),
        shown("a span while traces are on, a GraphQL operation", on, "µs"),
    ]
    tell(claims, options.json)


def _operation() -> None:
    with tracing.span("graphql", {"graphql.operation.name": "Board"}, parent="", kind="SERVER"):
        pass


def microseconds(work: Callable[[], object], count: int) -> float:
    """Processor time of one call, the best of some rounds."""

    def seconds(run: Callable[[], object]) -> float:
        began = time.process_time()
        for _ in range(count):
            run()
        return time.process_time() - began

    return min(seconds(work) for _ in range(ROUNDS)) / count * 1e6


if __name__ == "__main__":
    main()
