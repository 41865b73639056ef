"""A load of messages on an MLLP listener, in a process of its own: only what it needs is loaded,
so that it starts at once and takes little of the cores it shares."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import uvloop

from bench.parts.hl7_messages import MESSAGES

PATIENTS = 5_000


def loaded(
    port: int, connections: int, message: str = "admission", **options: float
) -> dict[str, float]:
    """What was acknowledged: count, rate, and milliseconds to an answer at the median and at the
    99th percentile.

    Options: `seconds` or `count` end it; `first` numbers its messages; `pace` is messages per
    second in all; `fresh` opens a connection for each message.
    """
    told = json.dumps({"port": port, "connections": connections, "message": message, **options})
    done = subprocess.run(
        [sys.executable, "-m", "bench.parts.mllp_load", told],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


async def load(
    port: int,
    connections: int,
    message: str = "admission",
    seconds: float = 600.0,
    count: float = 1e9,
    first: int = 0,
    pace: float = 0.0,
    fresh: bool = False,
) -> dict[str, float]:
    made = MESSAGES[message]
    waited: list[float] = []
    until = time.perf_counter() + seconds

    async def one(place: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        number = first + place
        due = time.perf_counter() + (place / pace if pace else 0.0)
        while True:
            if pace:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                due += connections / pace
            content = made(number, number % PATIENTS)
            sent = time.perf_counter()
            writer.write(b"\x0b" + content + b"\x1c\r")
            answer = await reader.readuntil(b"\x1c\r")
            waited.append(time.perf_counter() - sent)
            assert b"MSA|AA|" in answer, answer
            number += connections
            if time.perf_counter() >= until or len(waited) >= count:
                break
            if fresh:
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(one(place) for place in range(connections)))
    spent = time.perf_counter() - started
    waited.sort()
    return {
        "count": len(waited),
        "rate": len(waited) / spent,
        "p50": statistics.median(waited) * 1000,
        "p99": waited[int(len(waited) * 0.99)] * 1000,
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(load(**json.loads(sys.argv[1])))))
