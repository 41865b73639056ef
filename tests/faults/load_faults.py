"""Many at once: J17 tickers, J19 a backlog, J20 everything mixed, J21 many senders with merges."""

from __future__ import annotations

import signal
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

from deployment import LEASE_SECONDS, SCOPE, Deployment
from processes import is_alive, wait_until
from servers import Redis
from trial import Trial

from hub.domain.jobs import Job
from hub.storage import queue

TICKERS = 8
BACKLOG = 20_000


def tickers(trial: Trial) -> None:
    """J17: processes whose clocks differ by up to an hour tick the same schedule; one job each."""
    deployment = trial.deployment
    count, number = len(trial.times(1250)), 1 if deployment.is_sqlite else TICKERS
    children = [deployment.call("ticking", "tick", count, ticker) for ticker in range(number)]
    for child in children:
        wait_until(lambda child=child: not is_alive(child), "the end of a ticker")  # type: ignore[misc]
    trial.inject("clock an hour wrong", number)
    twice = deployment.rows(
        "SELECT unique_key FROM jobs WHERE unique_key LIKE 'faults.tick@%'"
        " GROUP BY unique_key HAVING count(*) > 1"
    )
    found = deployment.rows("SELECT count(*) FROM jobs WHERE unique_key LIKE 'faults.tick@%'")
    trial.require(not twice, f"{len(twice)} ticks have more than one job")
    trial.require(found[0][0] > count // 20, f"only {found[0][0]} ticks have a job")
    deployment.write("DELETE FROM jobs WHERE unique_key LIKE 'faults.tick@%'")
    deployment.write("DELETE FROM schedules WHERE name = 'faults.tick'")
    deployment.start_all()


def backlog(trial: Trial) -> None:
    """J19: so many jobs wait that everything that is not indexed shows; a tenth is stuck in lanes.
    What arrives meanwhile must be read as if nobody waited."""
    deployment = trial.deployment
    count = max(1000, round(BACKLOG * trial.scale))
    _pile_up(deployment, count)
    trial.inject("backlog")
    deployment.start_all()
    deployment.send(senders=4, pause=0.02)
    deployment.wait_for_more(60)
    unread = (
        "SELECT count(*) FROM jobs WHERE state IN ('ready', 'running')"
        " AND unique_key LIKE 'inbox:%'"
    )
    deployment.stop_senders()
    seconds = wait_until(lambda: deployment.rows(unread)[0][0] == 0, "the end of what arrived")
    trial.waits.append(seconds)
    for name in list(deployment.running):
        deployment.end(name, signal.SIGTERM)
    deployment.write("DELETE FROM jobs WHERE unique_key LIKE 'backlog:%'")


def _pile_up(deployment: Deployment, count: int) -> None:
    """Jobs due in a year; the head of each of two lanes waits, and a tenth stands behind them."""
    later = datetime.now(UTC) + timedelta(days=365)
    with closing(deployment.open()) as hub:
        for start in range(0, count, 1000):
            jobs = [
                queue.NewJob(
                    Job.PRUNE, {}, run_at=later, unique_key=f"backlog:{number}",
                    lanes=[f"stuck {number % 2}"] if number % 10 == 0 else [],
                )
                for number in range(start, min(start + 1000, count))
            ]  # fmt: skip
            hub.database.transaction(
                SCOPE, lambda session, jobs=jobs: queue.add_many(session, jobs, now=hub.now())
            )


def many_senders(trial: Trial) -> None:
    """J21: many senders with merges, while workers are killed; no effect out of order."""
    deployment = trial.deployment
    deployment.start_all()
    each = max(3, round(120 * trial.scale))
    deployment.send(senders=64, messages=each, patients=2, merges=0.1, pause=0.0)
    while deployment.is_sending():
        trial.rest(0.5, 2.0)
        workers = deployment.workers()
        deployment.replace(trial.random.choice(workers))
        trial.note_death()
        trial.inject("worker killed")
        deployment.revive()
    deployment.wait_for_senders()


def everything(trial: Trial) -> None:
    """J20: faults of every kind in any order, for as long as the campaign gives it."""
    deployment = trial.deployment
    deployment.start_all()
    deployment.send(senders=8, merges=0.03, pause=0.01)
    for _ in trial.times(60):
        deployment.wait_for_more(trial.random.randrange(1, 20))
        trial.random.choice(_MIXED)(trial)
        deployment.heal()
    deployment.wait_for_more(10)


def _killed(trial: Trial) -> None:
    name = trial.random.choice(list(trial.deployment.roles))
    trial.deployment.end(name)
    if name in trial.deployment.workers():
        trial.note_death()
    trial.inject("process killed")


def _asked(trial: Trial) -> None:
    trial.deployment.end(trial.random.choice(list(trial.deployment.roles)), signal.SIGTERM)
    trial.inject("process asked to stop")


def _stopped(trial: Trial) -> None:
    name = trial.random.choice(list(trial.deployment.roles))
    trial.deployment.signal(name, signal.SIGSTOP)
    time.sleep(trial.random.uniform(0.2, 2.0 * LEASE_SECONDS))
    trial.inject("process frozen")


def _cut(trial: Trial) -> None:
    links = [trial.deployment.door]
    if trial.deployment.link is not None:
        links.append(trial.deployment.link)
    trial.random.choice(links).reset()
    trial.inject("links reset")


def _lost(trial: Trial) -> None:
    link, wanted = trial.deployment.door, b"\x1c\r"
    if trial.deployment.link is not None and trial.random.random() < 0.5:
        link, wanted = trial.deployment.link, b"COMMIT"
    link.lose_answer_to, link.losses = wanted, trial.random.randint(1, 3)
    trial.inject("answers lost", link.losses)
    trial.rest(0.1, 0.5)


def _disk(trial: Trial) -> None:
    shim = trial.cluster.shim if trial.cluster else trial.deployment.shim
    if shim is None or trial.cluster is not None:  # a server would restart, and take others along
        _killed(trial)
        return
    fault = trial.random.choice([{"eio": 1}, {"no_space": 1}, {"delay": 20_000}])
    shim.set(**fault)
    trial.inject(f"disk: {next(iter(fault))}")
    trial.rest(0.1, 0.5)


def _server(trial: Trial) -> None:
    """The database or the broker ends at once and comes back, or the broker forgets."""
    cluster, broker = trial.cluster, trial.broker
    if cluster is None:
        _killed(trial)
    elif broker is None or trial.random.random() < 0.3:
        cluster.server.stop()
        trial.inject("database stopped")
        cluster.server.start()
    elif isinstance(broker, Redis) and trial.random.random() < 0.5:
        broker.stop()
        trial.inject("broker killed")
        trial.rest(0.1, 1.0)
        broker.start()
    else:
        broker.forget()
        trial.inject("pointers forgotten")


_MIXED = [_killed, _killed, _asked, _stopped, _cut, _lost, _disk, _server]
