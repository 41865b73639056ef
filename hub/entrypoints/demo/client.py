"""An internal app's GraphQL client for the demonstration: plain HTTP, counted queries."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx2

from hub.errors import HubError

PAGE = 100
PATIENCE = 20
"""How often a query is sent again that the hub has put off."""


class DemoFailed(HubError):
    """The demonstration did not work; the sentence says where."""


class GraphQLClient:
    """Posts documents with one credential and counts queries and errors."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx2.Client(
            base_url=url,
            headers={"authorization": f"Bearer {key}"},
            timeout=90.0,
            trust_env=False,
        )
        self.queries = 0
        self.errors: list[str] = []
        self.refusals: list[str] = []

    def close(self) -> None:
        self._http.close()

    def post(self, document: str, **variables: Any) -> dict[str, Any]:
        """The whole answer, errors included; where the query cost is used up, of a later try."""
        self.queries += 1
        body = {"query": document, "variables": variables}
        for _ in range(PATIENCE):
            response = self._http.post("/graphql", json=body)
            if "retry-after" not in response.headers:
                break
            time.sleep(int(response.headers["retry-after"]))
        answer: dict[str, Any] = response.json()
        return answer

    def query(self, document: str, **variables: Any) -> dict[str, Any]:
        """The data; an error is counted and raised as DemoFailed."""
        answer = self.post(document, **variables)
        for error in answer.get("errors", ()):
            self.errors.append(error["message"])
        if answer.get("data") is None or answer.get("errors"):
            raise DemoFailed(f"GraphQL answered with an error: {'; '.join(self.errors[-3:])}")
        data: dict[str, Any] = answer["data"]
        return data

    def mutate(self, name: str, payload: str, values: dict[str, Any]) -> dict[str, Any] | None:
        """Run a mutation; None where the answer is a typed error (its codes in `refusals`)."""
        kind = name[0].upper() + name[1:]
        document = (
            f"mutation($input: {kind}Input!) {{ {name}(input: $input) {{ __typename "
            f"... on {kind}Payload {{ {payload} }} "
            "... on UserErrors { errors { code message } } } }"
        )
        result: dict[str, Any] = self.query(document, input=values)[name]
        if result["__typename"] == "UserErrors":
            self.refusals = [error["code"] for error in result["errors"]]
            return None
        return result

    def count(self, root: str, where: str = "") -> int:
        """How many objects of a root there are; `where` is a filter's text."""
        arguments = f"(where: {{{where}}})" if where else ""
        total: int = self.query(f"{{ {root}{arguments} {{ totalCount }} }}")[root]["totalCount"]
        return total

    def all(self, root: str, fields: str, where: str = "") -> Iterator[dict[str, Any]]:
        """Every object of a root, page by page."""
        after: str | None = None
        filter_text = f", where: {{{where}}}" if where else ""
        document = (
            f"query($after: String) {{ {root}(first: {PAGE}, after: $after{filter_text}) "
            f"{{ nodes {{ {fields} }} pageInfo {{ hasNextPage endCursor }} }} }}"
        )
        while True:
            page = self.query(document, after=after)[root]
            yield from page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return
            after = page["pageInfo"]["endCursor"]
