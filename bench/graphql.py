"""GraphQL reads beside a hand-written route and PostGraphile, on PostgreSQL; and on SQLite.

    python bench/graphql.py [--json] [--rounds N] [--seconds S] [--full] [--peer DIRECTORY]

One server process under uvicorn, the load from another process, 16 connections, practices at
random. Every server answers the same query over the same rows; answers are compared first. "hub" is
the application as it is served: credential, agreements, scope, limits, cost bucket and audit on;
"hub unaudited" leaves the audit out, "engine" credential and bucket as well. They run as a role
that row-level security holds, which "engine unheld" is not, nor says for whom it reads. CPU is that
of the server and of all PostgreSQL backends of the database, per request; it is the figure to trust
on a machine that does other things too, rates and p99 are not. Figures are medians of the ratios of
interleaved rounds, in each of which another server begins: a machine that others share is faster
and slower by a third within seconds, so that many short rounds tell more than a few long ones. A
cold document has a name never seen before (known shape), or fields in an
order never seen before (new shape). Memory is that of processes of `mso-hub serve --roles web`
after the first answer and after all kinds of requests: resident, and proportional, where what
several share counts by the share of each. `--full` loads 200 000 patients. PostGraphile is
installed from npm into a temporary directory, or taken from `--peer`; without Node its claims are
missing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Not this script's directory, which holds files of our packages' names.
sys.path[0] = str(Path(__file__).resolve().parents[1])

import orjson
import uvicorn

from bench.parts.claims import Claim, Claims, at_least, at_most, tell
from bench.parts.graphql_data import URL, load, practice_ids, prepare_postgresql
from bench.parts.graphql_load import Running, Sample, ask, find_peer, measure, serving, warm
from bench.parts.graphql_memory import memory
from bench.parts.graphql_queries import ASKED, COLD, KEPT, NEW, STORED, UNHELD
from bench.parts.graphql_servers import APPS, engine_and_context, grant
from hub import log
from hub.entrypoints.interpreter import settle, share_threads
from schema.execute import Engine
from schema.root import hub_schema

FORKED = 4


def plain_microseconds(url: str, rounds: int) -> float:
    """CPU of one leaf of an answer made by graphql-core: introspection, which is nothing stored.
    As in a process that serves, what was loaded before is not looked at for cycles."""
    _, context = engine_and_context(url)
    engine = Engine(hub_schema(), introspection=True)
    text = "{ __schema { types { name kind description fields { name description } } } }"
    found = []

    async def once() -> int:
        prepared = engine.prepare(context, text, {}, None)
        return _leaves(orjson.loads(await engine.answer(context, prepared)))

    with asyncio.Runner() as loop:
        loop.run(once())
        settle()
        for _ in range(rounds + 1):
            start = time.process_time()
            leaves = sum(loop.run(once()) for _ in range(5))
            found.append((time.process_time() - start) / leaves * 1e6)
    context.database.close()
    return statistics.median(found[1:])


def _leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_leaves, value.values()))
    return sum(map(_leaves, value)) if isinstance(value, list) else 1


def sqlite_milliseconds(options: argparse.Namespace, patients: int) -> float:
    """CPU of one target query over HTTP on SQLite, everything on."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/hub.db"
        load(url, 5, patients)
        key, ids = grant(url), practice_ids(url)
        with serving("SQLite", 8799, ids, None, key, url) as running:
            warm(running, "target")
            taken = [measure(running, "target", options.seconds) for _ in range(options.rounds)]
    return statistics.median(sample.server for sample in taken)


# Claims

Of = Callable[[Sample], float]
Held = Callable[[str, float | None, float], Claim]


def ratio(ours: list[Sample], theirs: list[Sample], of: Of) -> float:
    return statistics.median(of(a) / of(b) for a, b in zip(ours, theirs, strict=True))


def claims(taken: dict[str, dict[str, list[Sample]]]) -> Claims:
    """What was claimed, from the samples by kind of request and server."""
    cpu: Of = lambda sample: sample.cpu  # noqa: E731
    rate: Of = lambda sample: sample.rate  # noqa: E731
    p99: Of = lambda sample: sample.p99  # noqa: E731
    database: Of = lambda sample: sample.database  # noqa: E731
    found: Claims = []

    def add(claim: str, kind: str, over: str, of: Of, goal: float, held: Held = at_most) -> None:
        ours, theirs = taken[kind]["hub"], taken[kind].get(over)
        value = None if theirs is None else ratio(ours, theirs, of)
        found.append(held(f"{claim} / {over}", value, goal))

    add("G1 target query: requests a second", "target", "floor", rate, 0.95, at_least)
    add("G1 target query: requests a second", "target", "PostGraphile", rate, 2.2, at_least)
    add("G1 target query: p99", "target", "floor", p99, 1.2)
    add("G2 target query: CPU", "target", "floor", cpu, 1.05)
    add("G2 target query: CPU", "target", "PostGraphile", cpu, 0.6)
    server = statistics.median(sample.server for sample in taken["target"]["hub"])
    found.append(at_most("G2 target query: CPU of the server", server, 0.4, "ms"))
    add("G3 with a computed field: CPU", "rows", "PostGraphile", cpu, 1.0)
    add("G3 with a computed field: CPU", "rows", "floor", cpu, 1.7)
    add("G4 practice{id name}: CPU", "practice", "floor", cpu, 1.3)
    add("G4 practice{id name}: CPU", "practice", "PostGraphile", cpu, 0.8)
    add("G5 never seen, known shape: CPU", COLD, "PostGraphile", cpu, 0.65)
    add("G5 never seen, new shape: CPU", NEW, "PostGraphile", cpu, 0.85)
    stored = ratio(taken[STORED]["hub"], taken["target"]["hub"], cpu)
    found.append(at_most("G5 stored document: CPU / warm text", stored, 1.05))
    bare = ratio(taken["target"]["hub unaudited"], taken["target"]["engine"], cpu)
    found.append(at_most("G7 target query: CPU / engine alone", bare, 1.05))
    add("G7 practice{id name}: CPU", "practice", "engine", cpu, 1.05)
    held = ratio(taken["target"]["engine"], taken["target"][UNHELD], database)
    claim = "G7 target query: PostgreSQL's CPU with row-level security / without"
    found.append(at_most(claim, held, 1.18))
    small = ratio(taken["practice"]["engine"], taken["practice"][UNHELD], database)
    print(
        f"PostgreSQL's CPU of practice{{id name}} with it / without: {small:.2f}", file=sys.stderr
    )
    add("G9 304 / target query: requests a second", KEPT, "floor", rate, 5, at_least)
    add("G13 Relay form: CPU", "relay", "floor", cpu, 1.1)
    audited = ratio(taken["target"]["hub"], taken["target"]["hub unaudited"], database)
    print(f"PostgreSQL's CPU with audit / without: {audited:.2f}", file=sys.stderr)
    return found


def compare_answers(servers: dict[str, Running]) -> None:
    """Raises if the servers differ in their answers, or the peer has other names in it."""
    for kind, names in ASKED.items():
        if kind == KEPT:
            continue
        for seed in range(3):
            answers = {n: ask(servers[n], kind, seed) for n in names if n in servers}
            own = answers["hub"]["data"]
            peer = answers.pop("PostGraphile", None)
            if any(answer["data"] != own for answer in answers.values()):
                raise RuntimeError(f"the answers to {kind} differ")
            if peer is not None and sorted(_names(peer)) != sorted(_names(own)):
                raise RuntimeError(f"PostGraphile answers {kind} with other rows")


def _names(value: Any) -> list[Any]:
    """Every name in an answer, in order."""
    if isinstance(value, dict):
        own = [value[key] for key in ("familyName", "name", "memberId") if key in value]
        return own + [name for item in value.values() for name in _names(item)]
    return [name for item in value for name in _names(item)] if isinstance(value, list) else []


def run(options: argparse.Namespace) -> Claims:
    practices, patients = (50, 4000) if options.full else (20, 200)
    ids = prepare_postgresql(practices, patients)
    peer, key = find_peer(options.peer), grant(URL)
    taken: dict[str, dict[str, list[Sample]]] = {}
    with contextlib.ExitStack() as stack:
        names = [name for name in APPS if name != "SQLite"] + (["PostGraphile"] if peer else [])
        servers = {
            name: stack.enter_context(serving(name, 8790 + number, ids, peer, key))
            for number, name in enumerate(names)
        }
        compare_answers(servers)
        for kind, asked in ASKED.items():
            taken[kind] = {name: [] for name in asked if name in servers}
            for name in taken[kind]:
                warm(servers[name], kind)
            turns = deque(taken[kind].items())
            for _ in range(options.rounds):
                for name, samples in turns:
                    samples.append(measure(servers[name], kind, options.seconds))
                turns.rotate()
            for name, samples in taken[kind].items():
                _show(kind, name, samples)
    found = claims(taken)
    plain = plain_microseconds(URL, options.rounds)
    found.append(at_most("G6 plain: CPU per leaf", plain, 3, "µs"))
    on_sqlite = sqlite_milliseconds(options, patients)
    found.append(at_most("G8 SQLite, target query: CPU", on_sqlite, 1.2, "ms"))
    return found + memory_claims(ids, key)


def memory_claims(ids: list[str], key: str) -> Claims:
    alone, forked = (memory(count, ids, key) for count in (1, FORKED))
    found = []
    for when, one, of_many in zip(("at its start", "under load"), alone, forked, strict=True):
        claim = f"G10 a web process {when}: resident"
        found.append(at_most(claim, one.resident, 100, "MB"))
        claim = f"G10 one of {FORKED} web processes {when}"
        found.append(at_most(f"{claim}: resident", of_many.resident, 100, "MB"))
        found.append(at_most(f"{claim}: proportional", of_many.proportional, 100, "MB"))
    return found


def _show(kind: str, name: str, samples: list[Sample]) -> None:
    rate, server, database, p99 = (
        statistics.median(getattr(sample, figure) for sample in samples)
        for figure in ("rate", "server", "database", "p99")
    )
    cpu = f"CPU {server:.2f} + {database:.2f} ms"
    print(f"{kind}: {name}: {rate:.0f} req/s, {cpu}, p99 {p99 * 1000:.1f} ms", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a round")
    parser.add_argument("--full", action="store_true", help="200 000 patients")
    parser.add_argument("--peer", help="a directory with PostGraphile installed")
    parser.add_argument("--serve", choices=sorted(APPS), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    log.configure()
    if options.serve:
        share_threads()
        served = APPS[options.serve]()
        settle()
        uvicorn.run(
            served, host="127.0.0.1", port=options.port,
            log_level="error", access_log=False,
        )  # fmt: skip
        return 0
    tell(run(options), options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
