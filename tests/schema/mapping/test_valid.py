"""Whatever the quick walk calls valid, the rules of graphql-core call valid too."""

from __future__ import annotations

import random
import re

import pytest
from graphql import GraphQLError, parse, validate
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.documents import Documents
from schema.mapping.valid import surely_valid
from schema.root import hub_schema

SCHEMA = hub_schema().graphql
RULES = Documents(SCHEMA, introspection=False)._rules
PLAIN = [
    """query A($id: ID!) { node(id: $id) { __typename ... on Practice { id n: name
      patients(first: 50) { nodes { id age coverages(first: 1) { nodes { memberId } }
        appointments(first: 5) { nodes { startsAt provider { familyName } } } } } } } }""",
    """query B($first: Int, $where: PatientFilter, $by: PatientOrder, $name: String!) {
      patients(first: $first, where: $where, orderBy: $by) { totalCount edges { cursor } }
      named: patients(first: 3, orderBy: NAME, where: {familyName: {eq: $name, in: ["a", $name]}})
        { pageInfo { hasNextPage endCursor } nodes { sex } } }""",
    """mutation C($input: PauseConnectionInput!) { pauseConnection(input: $input) {
      ... on PauseConnectionPayload { connection { name } } } }""",
]
OTHER = [
    "{ __schema { types { name } } }",
    "{ practices { nodes { ...f } } } fragment f on Practice { id }",
    "query($a: Boolean = true) { practices { nodes { id @include(if: $a) } } }",
    "{ practices { nodes { id } nodes { name } } }",
    'subscription { jobProgress(after: "1") { job { id } } }',
]
TOKEN = re.compile(r'"[^"]*"|\.\.\.|\w+|[^\s\w]')


@pytest.mark.parametrize("text", PLAIN)
def test_plain_documents_are_surely_valid(text):
    document = parse(text)
    assert validate(SCHEMA, document, RULES) == []
    assert surely_valid(SCHEMA, document)


@pytest.mark.parametrize("text", OTHER)
def test_what_a_rule_must_look_at_is_left_to_it(text):
    assert not surely_valid(SCHEMA, parse(text))


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**64))
def test_nothing_that_a_rule_refuses_is_called_valid(seed):
    drawn = random.Random(seed)
    tokens = TOKEN.findall(drawn.choice(PLAIN))
    words = TOKEN.findall(" ".join([*PLAIN, *OTHER, "null 1 true [] 99999999999 1.5 Int String!"]))
    for _ in range(drawn.randint(1, 2)):
        place, chosen = drawn.randrange(len(tokens)), drawn.random()
        if chosen < 0.3:
            del tokens[place]
        elif chosen < 0.8:
            tokens[place] = drawn.choice(words)
        else:
            tokens.insert(place, drawn.choice(words))
    text = " ".join(tokens)
    try:
        document = parse(text)
    except GraphQLError:
        return
    if surely_valid(SCHEMA, document):
        assert validate(SCHEMA, document, RULES) == [], text
