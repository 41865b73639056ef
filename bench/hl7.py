"""HL7 v2: our lexer beside python-hl7 and hl7apy, acknowledgements, caps, the listener without
store, and messages from their frames to applied records.

    python bench/hl7.py [--json] [--rounds N] [--database URL]

CPU figures are medians over interleaved rounds of process time in this one run; compare ratios, not
absolutes. Messages are made here: an ADT^A01 of 14 segments and 2.1 KB.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

# Not this script's directory, which holds files of our packages' names and of the rival's.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from hl7apy.parser import parse_message

from bench.parts.claims import Claims, at_least, at_most, tell
from bench.parts.hl7_end_to_end import applied, cpu_each, received, rival
from bench.parts.hl7_messages import ADT, admission
from bench.parts.hl7_mixes import told_of_mixes
from bench.parts.hub import ROUTES, NoStore, listening, opened
from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.connector import connector
from connectors.sdk.base import RawDocument
from connectors.sdk.hl7v2.acks import build_ack, new_control_id
from connectors.sdk.hl7v2.client import MllpClient
from connectors.sdk.hl7v2.framing import Framer, wrap
from connectors.sdk.hl7v2.header import read_header
from connectors.sdk.hl7v2.lexer import lex
from hub import log
from hub.entrypoints.hl7_judging import judge
from hub.entrypoints.hl7_routes import Peer
from hub.entrypoints.interpreter import settle, share_threads

hl7 = importlib.import_module("hl7")

PATHS = (
    "MSH-9.1", "MSH-9.2", "MSH-10", "PID-3[1].1", "PID-3[1].4", "PID-3[2].1", "PID-5.1", "PID-5.2",
    "PID-7", "PID-8", "PID-11.1", "PID-11.5", "PV1-2", "PV1-7.1", "PV1-19.1",
)  # fmt: skip
NOW = datetime(2026, 3, 2, 15, 15, tzinfo=UTC)
PEER = Peer("127.0.0.1")


def ours(content: bytes) -> list[str | None]:
    message = lex(content)
    return [message.value(path) for path in PATHS]


def python_hl7(content: bytes) -> list[str]:
    message = hl7.parse(content.decode())
    reads = []
    for path in PATHS:
        segment, _, place = path.partition("-")
        field, *parts = place.replace("[", ".R").replace("]", "").split(".")
        repetition = int(parts.pop(0)[1:]) if parts and parts[0].startswith("R") else 1
        component = int(parts[0]) if parts else 1
        reads.append(message.extract_field(segment, 1, int(field), repetition, component, 1))
    return reads


def hl7apy_flat(content: bytes) -> list[str]:
    message = parse_message(content.decode(), find_groups=False)
    by_name = {segment.name: segment for segment in message.children}
    pid, pv1, msh = by_name["PID"], by_name["PV1"], by_name["MSH"]
    return [
        msh.msh_9.msh_9_1.value,
        msh.msh_9.msh_9_2.value,
        msh.msh_10.value,
        pid.pid_3[0].pid_3_1.value,
        pid.pid_3[0].pid_3_4.value,
        pid.pid_3[1].pid_3_1.value,
        pid.pid_5.pid_5_1.value,
        pid.pid_5.pid_5_2.value,
        pid.pid_7.value,
        pid.pid_8.value,
        pid.pid_11.pid_11_1.value,
        pid.pid_11.pid_11_5.value,
        pv1.pv1_2.value,
        pv1.pv1_7.pv1_7_1.value,
        pv1.pv1_19.pv1_19_1.value,
    ]


def accept(content: bytes) -> bytes:
    """All the CPU work between a frame and its acknowledgement, storage aside."""
    frame = Framer().feed(wrap(content))[0]
    judgement = judge(frame, PEER, ROUTES)
    return build_ack(judgement.header, "AA", now=NOW, control_id=new_control_id())


def microseconds(call: Callable[[], object], budget: float) -> float:
    """CPU per call, over as many calls as fit into `budget` seconds."""
    count, started = 0, time.process_time()
    while (spent := time.process_time() - started) < budget or not count:
        for _ in range(10 if budget < 0.3 else 1):
            call()
            count += 1
    return spent / count * 1e6


def bombs() -> dict[str, bytes]:
    head = ADT.split(b"\r", 1)[0] + b"\r"
    return {
        "20,000 repetitions": head + b"PID|1||" + b"~".join([b"x"] * 20_000),
        "20,000 components": head + b"PID|1||" + b"^".join([b"x"] * 20_000),
        "4,000 OBX": head + b"OBX|1|NM|x||1\r" * 4_000,
        "100,000 Z segments": head + b"ZZZ|1\r" * 100_000,
        "1 MB of separators": head + b"|" * (1024 * 1024 - len(head)),
        "1 MB, 1,999 full segments": head
        + (b"ZZZ" + b"|^" * 258 + b"\r") * 1_998
        + b"ZZZ|"
        + b"^" * 201,
    }


def worst_bomb() -> float:
    """CPU milliseconds from the slowest bomb's bytes to its refusal."""
    return max(
        microseconds(lambda content=content: refuse(content), 0.0) / 1000  # type: ignore[misc]
        for content in bombs().values()
    )


def refuse(content: bytes) -> None:
    fault = judge(Framer().feed(wrap(content))[0], PEER, ROUTES).fault
    assert fault is not None
    assert fault.code == 207


def listener_rate(connections: int, seconds: float) -> float:
    """Messages per second over loopback, each waiting for its answer; the load shares our cores."""
    contents = [ADT.replace(b"BENCH00001", b"B%09d" % n) for n in range(64)]

    def load(port: int) -> int:
        sent, until = 0, time.perf_counter() + seconds
        with MllpClient("127.0.0.1", port) as client:
            while time.perf_counter() < until:
                assert client.send(contents[sent % 64]).code == "AA"
                sent += 1
        return sent

    with listening(NoStore()) as port, ThreadPoolExecutor(connections) as pool:
        started = time.perf_counter()
        total = sum(pool.map(load, [port] * connections))
        return total / (time.perf_counter() - started)


def measure(rounds: int) -> Claims:
    assert ours(ADT)[:3] == ["ADT", "A01", "BENCH00001"]
    assert ours(ADT) == python_hl7(ADT) == hl7apy_flat(ADT)
    config = Config(zone="America/Chicago")
    header, parsed = read_header(ADT), hl7.parse(ADT.decode())
    calls: dict[str, tuple[Callable[[], object], float]] = {
        "msh": (lambda: read_header(ADT), 0.05),
        "ack": (lambda: build_ack(header, "AA", now=NOW, control_id=new_control_id()), 0.05),
        "values": (lambda: ours(ADT), 0.1),
        "accept": (lambda: accept(ADT), 0.1),
        "map": (lambda: connector.parse(config, RawDocument(ADT)), 0.1),
        "python_hl7": (lambda: python_hl7(ADT), 0.2),
        "python_hl7_ack": (lambda: str(parsed.create_ack("AA")), 0.1),
        "python_hl7_parse": (lambda: hl7.parse(ADT.decode()), 0.2),
        "hl7apy": (lambda: hl7apy_flat(ADT), 0.3),
    }
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, (call, budget) in calls.items():
            samples[name].append(microseconds(call, budget))
    cost = {name: statistics.median(found) for name, found in samples.items()}
    parse = cost["python_hl7_parse"]
    for name, found in cost.items():
        print(f"     {name}: {found:.1f} us CPU")
    return [
        at_least("15 values of an ADT, hl7apy flat / ours", cost["hl7apy"] / cost["values"], 1000),
        at_least("15 values of an ADT, python-hl7 / ours", cost["python_hl7"] / cost["values"], 50),
        at_least("acknowledgement, python-hl7 / ours", cost["python_hl7_ack"] / cost["ack"], 10),
        at_least("frame to acknowledgement, python-hl7 parse / ours", parse / cost["accept"], 15),
        at_least("full ADT mapping, python-hl7 parse alone / ours", parse / cost["map"], 3),
        at_most("slowest bomb refused", worst_bomb(), 200, "ms CPU"),
    ]


def end_to_end(url: str, count: int) -> Claims:
    """CPU, the server's included, from a frame to what it says being stored row by row: patients
    never heard of, then the same admissions told again under new control ids; then several mixes
    of messages with workers in processes of their own."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        database = opened(url or f"sqlite:///{directory}/hub.db")

        def ours(first: int, patients: int = 0) -> float:
            contents = [admission(first + number, patients + number) for number in range(count)]

            def work() -> None:
                asyncio.run(received(database, ROUTES, contents))
                applied(database, directory)

            return cpu_each(count, work, database)

        ours(0, patients=500_000)  # statements are prepared, and the server has read its catalogue
        cost = {"new": ours(10_000_000), "again": ours(20_000_000)}
        mixes = told_of_mixes(database, directory, 10 * count)
        database.close()
        contents = [admission(number, number) for number in range(count)]
        for library, read in (("python-hl7", python_hl7), ("hl7apy", hl7apy_flat)):
            store = rival(directory, library, read)
            few = contents[: count // 8]
            cost[library] = cpu_each(len(few), lambda s=store, f=few: s(f))  # type: ignore[misc]
    for what, found in cost.items():
        print(f"     frame to applied record, {what}: {found:.0f} us CPU")
    new, again = cost["new"], cost["again"]
    text = "frame to applied record"
    return [
        at_least(f"{text}, new patients per core and second", 1e6 / new, 200, "/s"),
        at_least(f"{text}, hl7apy + one insert / ours", cost["hl7apy"] / new, 5),
        at_least(
            f"{text}, told again, python-hl7 + one insert / ours", cost["python-hl7"] / again, 1
        ),
        *mixes,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--database", default="", help="an empty PostgreSQL database's URL")
    options = parser.parse_args()
    log.configure("error")
    share_threads()
    settle()
    claims = measure(options.rounds) + end_to_end(options.database, 256)
    for connections in (1, 8):
        rate = listener_rate(connections, 1.5)
        print(
            f"     listener without store, {connections} connections: {rate:.0f}/s, client included"
        )
    tell(claims, options.json)


if __name__ == "__main__":
    main()
