"""Networks that fail: J6 the database server, J7 its link and the senders', J8 and J9 answers lost
on their way."""

from __future__ import annotations

import shutil
import signal
import socket
import time

from checker import check
from deployment import Deployment
from processes import wait_until
from trial import Trial


def database_stopped(trial: Trial) -> None:
    """J6: PostgreSQL is stopped at once and started again; nobody restarts the hub."""
    deployment, cluster = trial.deployment, trial.cluster
    assert cluster is not None
    deployment.start_all()
    deployment.send(senders=6)
    for _ in trial.times(10):
        deployment.wait_for_more(trial.random.randrange(5, 20))
        cluster.server.stop()
        trial.inject("database stopped")
        _nothing_is_taken(trial)
        cluster.server.start()
        _accepts_again(trial)


def failover(trial: Trial) -> None:
    """J6: the primary is lost and its synchronous standby promoted."""
    deployment, cluster = trial.deployment, trial.cluster
    assert cluster is not None
    assert deployment.link is not None
    server = cluster.server
    standby = server.copy_to(server.directory.with_name("standby"))
    try:
        standby.start("primary_slot_name=")
        server.stop(signal.SIGINT)
        server.start("synchronous_standby_names=*")
        standing = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        wait_until(lambda: deployment.rows(standing)[0][0] == 1, "a synchronous standby")
        deployment.start_all()
        deployment.send(senders=6)
        deployment.wait_for_more(40)
        server.lose_power()
        trial.inject("primary lost")
        standby.promote()
        deployment.link.target = standby.port
        deployment.postgresql = standby
        _accepts_again(trial)
        deployment.wait_for_more(20)
        deployment.drain()
        _compare(trial)
    finally:
        deployment.postgresql = server
        standby.stop()
        shutil.rmtree(standby.directory)
        server.start()


def _compare(trial: Trial) -> None:
    """The checker's look at the promoted standby, whose database is gone afterwards."""
    verdict = check(trial.deployment)
    trial.require(verdict.is_clean(), f"after the failover: {verdict}")
    trial.checked = verdict


def link_cut(trial: Trial) -> None:
    """J7: the link to the database, or the senders' link to the listener, is reset, stalled or
    refuses; nothing is acknowledged meanwhile, and all is well soon after."""
    deployment = trial.deployment
    deployment.start_all()
    deployment.send(senders=6)
    links = [deployment.door] + ([deployment.link] if deployment.link else [])
    for _ in trial.times(12):
        deployment.wait_for_more(trial.random.randrange(3, 15))
        link = trial.random.choice(links)
        how = trial.random.choice(["reset", "stalled", "refusing"])
        if how == "stalled":
            link.stalled = True
            if link is deployment.link:
                _nothing_is_taken(trial)
            trial.rest(0.5, 5.0)
        elif how == "refusing":
            link.refusing = True
            link.reset()
            trial.rest(0.2, 1.5)
        else:
            link.reset()
        trial.inject(f"link {how}")
        link.heal()
        _accepts_again(trial)


def commit_answer_lost(trial: Trial) -> None:
    """J8: the database commits, and its answer never arrives."""
    deployment = trial.deployment
    assert deployment.link is not None
    deployment.link.lose_answer_to = b"COMMIT"
    deployment.start_all()
    deployment.send(senders=6)
    for _ in trial.times(40):
        deployment.wait_for_more(trial.random.randrange(2, 8))
        lost = deployment.link.lost
        deployment.link.losses += 1
        wait_until(lambda lost=lost: deployment.link.lost > lost, "a lost answer")  # type: ignore[union-attr,misc]
        trial.inject("answer to COMMIT lost")
    deployment.wait_for_more(10)


def acknowledgement_lost(trial: Trial) -> None:
    """J9: a message is stored, and its acknowledgement never arrives; the resend gets the same."""
    deployment = trial.deployment
    deployment.door.lose_answer_to = b"\x1c\r"
    deployment.start_all()
    deployment.send(senders=6)
    for _ in trial.times(60):
        deployment.wait_for_more(trial.random.randrange(1, 5))
        lost = deployment.door.lost
        deployment.door.losses += 1
        wait_until(lambda lost=lost: deployment.door.lost > lost, "a lost acknowledgement")  # type: ignore[misc]
        trial.inject("acknowledgement lost")
    deployment.wait_for_more(10)
    content = (
        b"MSH|^~\\&|DESKEHR|NORTH|HUB|HUB|20260302091500-0600||ADT^A08^ADT_A01|SAMEN1|P|2.5.1\r"
        b"PID|1||SAMEP1^^^NORTH^MR||Testperson^Same||19790412|F\r"
    )
    answers = {_exchange(deployment, content) for _ in range(3)}
    trial.require(len(answers) == 1, "a resend got another acknowledgement than the message")


def _exchange(deployment: Deployment, content: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", deployment.mllp_port), 10) as link:
        link.sendall(b"\x0b" + content + b"\x1c\r")
        found = b""
        while not found.endswith(b"\x1c\r"):
            piece = link.recv(65536)
            if not piece:
                break
            found += piece
    return found


def _nothing_is_taken(trial: Trial) -> None:
    """While the database is away nothing may be acknowledged but what was under way."""
    time.sleep(0.3)
    before = len(trial.deployment.acknowledged())
    trial.rest(0.2, 0.8)
    after = len(trial.deployment.acknowledged())
    trial.require(after == before, f"{after - before} acknowledgements without a database")


def _accepts_again(trial: Trial) -> None:
    seconds = trial.deployment.wait_for_more(1)
    trial.waits.append(seconds)
