"""Input that harms: J14 odd bytes on the wire, J15 messages whose reading ends badly."""

from __future__ import annotations

import socket

from deployment import Deployment
from processes import wait_until
from trial import Trial

FRAME_START, FRAME_END = b"\x0b", b"\x1c\r"


def _message(control_id: str, patient: str, words: str = "") -> bytes:
    return (
        f"MSH|^~\\&|DESKEHR|NORTH|HUB|HUB|20260302091500-0600||ADT^A08^ADT_A01|{control_id}|P|2.5.1\r"
        f"PID|1||{patient}^^^NORTH^MR||Testperson^Odd{words}||19790412|F\r"
    ).encode()


def _exchange(deployment: Deployment, pieces: list[bytes], answers: int) -> bytes:
    """Send pieces one by one and read until so many frames came back, or the end."""
    found = b""
    with socket.create_connection(("127.0.0.1", deployment.mllp_port), 10) as link:
        try:
            for piece in pieces:
                link.sendall(piece)
            while found.count(FRAME_END) < answers and (read := link.recv(65536)):
                found += read
        except OSError:
            pass
    return found


def odd_bytes(trial: Trial) -> None:
    """J14: byte by byte, many frames at once, half a frame, 20 MB; nothing partial is stored, and
    the other senders notice nothing."""
    deployment = trial.deployment
    deployment.start_all()
    deployment.send(senders=2)
    for number in trial.times(30):
        name = f"ODD{number}"
        whole = FRAME_START + _message(f"{name}N1", f"{name}P1") + FRAME_END
        many = [FRAME_START + _message(f"{name}N{n}", f"{name}P2") + FRAME_END for n in (2, 3, 4)]
        found = _exchange(deployment, [whole[n : n + 1] for n in range(len(whole))], 1)
        trial.require(b"MSA|AA|" in found, "a message byte by byte was not taken")
        found = _exchange(deployment, [b"".join(many)], 3)
        trial.require(found.count(b"MSA|AA|") == 3, "frames sent at once were not all taken")
        half = FRAME_START + _message(f"{name}N8", f"{name}P3")
        with socket.create_connection(("127.0.0.1", deployment.mllp_port), 10) as link:
            link.sendall(half[: trial.random.randrange(1, len(half))])
        trial.inject("frame byte by byte")
        trial.inject("frames at once")
        trial.inject("half a frame")
        if number % 5 == 0:
            large = _message(f"{name}N9", f"{name}P4", "x" * 20_000_000)
            found = _exchange(deployment, [FRAME_START, large, FRAME_END], 1)
            trial.require(b"MSA|AA|" not in found, "20 MB were taken")
            trial.inject("frame of 20 MB")
    unwanted = "SELECT count(*) FROM inbox WHERE control_id LIKE 'ODD%N8'"
    trial.require(deployment.rows(unwanted)[0][0] == 0, "half a message was stored")


POISONS = ("RAISE", "EXIT", "SEGV", "MEMORY", "LOOP")
ATTEMPTS = 5
FEWER_ATTEMPTS = {
    True: (
        f"CREATE TRIGGER fault_attempts AFTER INSERT ON jobs BEGIN UPDATE jobs SET max_attempts ="
        f" {ATTEMPTS} WHERE id = NEW.id; END",
    ),
    False: (
        f"CREATE FUNCTION fault_attempts() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" NEW.max_attempts = {ATTEMPTS}; RETURN NEW; END $$",
        "CREATE TRIGGER fault_attempts BEFORE INSERT ON jobs FOR EACH ROW"
        " EXECUTE FUNCTION fault_attempts()",
    ),
}


def poisoned(trial: Trial) -> None:
    """J15: reading raises, ends or loops the process; the job is dead after its attempts, its
    neighbours are read, and it is read when it is tried again on a mended hub."""
    deployment = trial.deployment
    deployment.changes = ("poison",)
    for statement in FEWER_ATTEMPTS[deployment.is_sqlite]:
        deployment.write(statement)
    deployment.start_all()
    deployment.send(senders=2, pause=0.1)
    sent = 0
    for _ in trial.times(3):
        for poison in POISONS:
            sent += 1
            content = _message(f"BAD{sent}N1", f"BAD{sent}P1", f"POISON{poison}")
            _until_taken(trial, content)
            trial.inject(f"poison: {poison.lower()}")
            _until_dead(trial)
    deployment.drain()
    dead = deployment.rows(
        "SELECT i.control_id FROM jobs j JOIN inbox i ON j.unique_key = 'inbox:' || i.id"
        " WHERE j.state = 'dead'"
    )
    poisoned = [row for row in dead if row[0].startswith("BAD")]
    trial.require(len(poisoned) == sent, f"{len(poisoned)} of {sent} poisoned jobs are dead")
    trial.require(len(dead) == len(poisoned), f"{len(dead) - sent} of their neighbours are dead")
    _mend(trial)


def _until_taken(trial: Trial, content: bytes) -> None:
    """Send as a sender does, again until it is acknowledged: where listener and worker are one
    process, what is stored may end it before it answers."""

    def taken() -> bool:
        trial.deployment.revive()
        try:
            found = _exchange(trial.deployment, [FRAME_START + content + FRAME_END], 1)
        except OSError:  # it ended just now
            return False
        return b"MSA|AA|" in found

    wait_until(taken, "the acknowledgement of a poisoned message")


def _until_dead(trial: Trial) -> None:
    """Keep the processes running until every poisoned job has used up its attempts."""
    deployment = trial.deployment
    waiting = (
        "SELECT count(*) FROM jobs j JOIN inbox i ON j.unique_key = 'inbox:' || i.id"
        " WHERE i.control_id LIKE 'BAD%' AND j.state IN ('ready', 'running')"
    )

    def dead() -> bool:
        deployment.revive()
        return deployment.rows(waiting)[0][0] == 0

    wait_until(dead, "the death of a poisoned job")


def _mend(trial: Trial) -> None:
    """Start a hub without the poison and retry what is dead, as an operator would."""
    deployment = trial.deployment
    rows = deployment.rows("SELECT id FROM jobs WHERE state = 'dead'")
    deployment.changes = ()
    for name in list(deployment.running):
        deployment.end(name)
    deployment.retried |= {row[0] for row in rows}
    for row in rows:
        deployment.command("job", "retry", str(row[0]), "--reason", "the fault is mended")
    deployment.start_all()
    dead = "SELECT count(*) FROM jobs WHERE state <> 'done' AND unique_key LIKE 'inbox:%'"
    wait_until(lambda: deployment.rows(dead)[0][0] == 0, "the end of what was retried")
