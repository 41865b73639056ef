"""The demonstration's client is an app like others: it waits where the hub asks it to."""

from __future__ import annotations

import time

import httpx2
import pytest

from hub.entrypoints.demo.client import GraphQLClient


def test_a_query_that_is_put_off_is_sent_again_when_the_hub_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[int] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    answers = [
        httpx2.Response(429, headers={"retry-after": "3"}, json={"errors": [{"message": "later"}]}),
        httpx2.Response(200, json={"data": {"practices": {"totalCount": 2}}}),
    ]
    client = GraphQLClient("http://hub", "key")
    monkeypatch.setattr(client._http, "post", lambda *_, **__: answers.pop(0))
    assert client.count("practices") == 2
    assert (slept, client.errors) == ([3], [])
    client.close()
