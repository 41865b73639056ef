"""Whether a running hub has the threads it was given, as it says in its metrics."""

from __future__ import annotations

from typing import Literal

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from hub.settings import Settings
from hub.storage.queue import DEFAULT_QUEUE, SENDING_QUEUE

GAUGE = "hub_worker_threads"
Told = tuple[Literal["ok", "warn"], str, str]
"""Status, what is the case, what to do about it."""


def live_threads(settings: Settings) -> Told | None:
    """Of the hub that answers on this machine's metrics; None where none says anything."""
    found = _told(settings)
    if found is None:
        return None
    if not found:
        return ("ok", "the process that answers runs no jobs", "")
    given = {DEFAULT_QUEUE: settings.worker_threads, SENDING_QUEUE: settings.sender_threads}
    detail = ", ".join(f"{found.get(q, 0)} of {n} of {q}" for q, n in given.items()) + " live"
    if all(found.get(queue, 0) >= count for queue, count in given.items()):
        return ("ok", detail, "")
    return ("warn", detail, "Restart that process: a thread ended and was not replaced.")


def _told(settings: Settings) -> dict[str, int] | None:
    """Threads by queue as the first address tells that has any; empty where none has, None where
    none answers."""
    answered = None
    token = settings.metrics_token
    headers = {"authorization": f"Bearer {token.get_secret_value()}"} if token is not None else {}
    for address in _addresses(settings):
        try:
            with httpx2.Client(timeout=5.0, trust_env=False) as client:
                answer = client.get(address, headers=headers)
            if answer.status_code != httpx2.codes.OK:
                continue
            families = text_string_to_metric_families(answer.text)
            samples = [one for family in families if family.name == GAUGE for one in family.samples]
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
            continue
        answered = {sample.labels["queue"]: int(sample.value) for sample in samples}
        if answered:
            break
    return answered


def _addresses(settings: Settings) -> list[str]:
    found = [
        (settings.http_host, settings.http_port),
        (settings.metrics_host, settings.metrics_port),
    ]
    return [f"http://{host_in_url(host)}:{port}/metrics" for host, port in found if port]


def host_in_url(host: str) -> str:
    """An address as a URL has it: of IPv6 in brackets (RFC 3986 §3.2.2)."""
    return f"[{host}]" if ":" in host else host
