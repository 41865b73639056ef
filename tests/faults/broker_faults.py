"""J10: the server that carries pointers is killed, forgets them, or brings back stale ones."""

from __future__ import annotations

from servers import Redis
from trial import Trial


def broker_lost(trial: Trial) -> None:
    """What is acknowledged is read all the same, and once; a lost pointer costs a lease."""
    deployment, broker = trial.deployment, trial.broker
    assert broker is not None
    kills = isinstance(broker, Redis)  # a node of RabbitMQ takes many seconds to start
    deployment.start_all()
    deployment.send(senders=6)
    for number in trial.times(20):
        deployment.wait_for_more(trial.random.randrange(5, 20))
        if not kills and number % 7:
            broker.forget()
            trial.note_death()
            trial.inject("pointers forgotten")
            continue
        how = trial.random.choice(["kill", "forget", "restore"])
        if how == "forget":
            broker.forget()
            trial.note_death()
            trial.inject("pointers forgotten")
            continue
        if how == "restore" and isinstance(broker, Redis):
            broker.save()
            deployment.wait_for_more(10)
        broker.stop()
        trial.inject("broker killed")
        trial.rest(0.1, 1.0)
        broker.start()
        if how == "restore":
            trial.inject("stale pointers came back")
    deployment.wait_for_more(10)
