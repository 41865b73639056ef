"""The queries of the GraphQL bench: as the hub, a careful hand's SQL and PostGraphile are asked."""

from __future__ import annotations

TARGET = """query Target($id: ID!) { node(id: $id) { ... on Practice { id name
  patients(first: 50) { nodes { id familyName givenName birthDate sex status
    coverages(first: 1) { nodes { payerName planName memberId status } }
    appointments(first: 5) { nodes { startsAt status minutes provider { familyName } } }
  } } } } }"""
ROWS = TARGET.replace("birthDate sex", "birthDate age sex")
RELAY = """query Target($id: ID!) { node(id: $id) { ... on Practice { id name
  patients(first: 50) { edges { cursor node { id familyName givenName birthDate sex status
    coverages(first: 1) { edges { node { payerName planName memberId status } } }
    appointments(first: 5) { edges { node { startsAt status minutes provider { familyName } } } }
  } } pageInfo { hasNextPage } } } } }"""
SMALL = "query Small($id: ID!) { node(id: $id) { ... on Practice { id name } } }"

_ID = "replace(encode(convert_to('{}:' || {}, 'UTF8'), 'base64'), E'\\n', '')"
FLOOR_TARGET = f"""
SELECT json_build_object('node', json_build_object('id', {_ID.format("Practice", "p.id")},
 'name', p.name, 'patients', json_build_object('nodes', (
  SELECT coalesce(json_agg(json_build_object(
    'id', {_ID.format("Patient", "c.id")}, 'familyName', c.family_name, 'givenName', c.given_name,
    'birthDate', c.birth_date, 'sex', upper(c.sex), 'status', upper(c.status),
    'coverages', json_build_object('nodes', (
      SELECT coalesce(json_agg(json_build_object('payerName', v.payer_name, 'planName', v.plan_name,
        'memberId', v.member_id, 'status', v.status)), '[]')
      FROM (SELECT * FROM coverages v WHERE v.practice_id = c.practice_id AND v.patient_id = c.id
            ORDER BY v.priority, v.id LIMIT 1) v)),
    'appointments', json_build_object('nodes', (
      SELECT coalesce(json_agg(json_build_object(
        'startsAt', to_char(a.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'status', upper(a.status), 'minutes', a.minutes,
        'provider', (SELECT json_build_object('familyName', d.family_name) FROM providers d
                     WHERE d.practice_id = a.practice_id AND d.id = a.provider_id))), '[]')
      FROM (SELECT * FROM appointments a WHERE a.practice_id = c.practice_id
            AND a.patient_id = c.id ORDER BY a.starts_at, a.id LIMIT 5) a)))), '[]')
  FROM (SELECT * FROM patients c WHERE c.practice_id = p.id
        ORDER BY c.family_name, c.given_name, c.id LIMIT 50) c))))::text
FROM practices p WHERE p.id = $1"""
FLOOR_ROWS = FLOOR_TARGET.replace(
    "'birthDate', c.birth_date,",
    "'birthDate', c.birth_date, "
    "'age', date_part('year', age((now() AT TIME ZONE 'UTC')::date, c.birth_date))::int,",
)
FLOOR_RELAY = f"""
SELECT json_build_object('node', json_build_object('id', {_ID.format("Practice", "p.id")},
 'name', p.name, 'patients', (
  SELECT json_build_object('edges', coalesce(json_agg(json_build_object('cursor', c.id, 'node',
   json_build_object(
    'id', {_ID.format("Patient", "c.id")}, 'familyName', c.family_name, 'givenName', c.given_name,
    'birthDate', c.birth_date, 'sex', upper(c.sex), 'status', upper(c.status),
    'coverages', json_build_object('edges', (
      SELECT coalesce(json_agg(json_build_object('node', json_build_object(
        'payerName', v.payer_name, 'planName', v.plan_name,
        'memberId', v.member_id, 'status', v.status))), '[]')
      FROM (SELECT * FROM coverages v WHERE v.practice_id = c.practice_id AND v.patient_id = c.id
            ORDER BY v.priority, v.id LIMIT 1) v)),
    'appointments', json_build_object('edges', (
      SELECT coalesce(json_agg(json_build_object('node', json_build_object(
        'startsAt', to_char(a.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'status', upper(a.status), 'minutes', a.minutes,
        'provider', (SELECT json_build_object('familyName', d.family_name) FROM providers d
                     WHERE d.practice_id = a.practice_id AND d.id = a.provider_id)))), '[]')
      FROM (SELECT * FROM appointments a WHERE a.practice_id = c.practice_id
            AND a.patient_id = c.id ORDER BY a.starts_at, a.id LIMIT 5) a))
   )) ORDER BY c.place) FILTER (WHERE c.place <= 50), '[]'),
   'pageInfo', json_build_object('hasNextPage', count(*) > 50))
  FROM (SELECT c.*, row_number() OVER (ORDER BY c.family_name, c.given_name, c.id) place
        FROM (SELECT * FROM patients c WHERE c.practice_id = p.id
              ORDER BY c.family_name, c.given_name, c.id LIMIT 51) c) c)))::text
FROM practices p WHERE p.id = $1"""
FLOOR_SMALL = f"""SELECT json_build_object('node', json_build_object(
  'id', {_ID.format("Practice", "p.id")}, 'name', p.name))::text
FROM practices p WHERE p.id = $1"""

PEER_TARGET = """query Target($id: String!) { practiceByRowId(rowId: $id) { id name
  patientsByPracticeIdList(first: 50, orderBy: [FAMILY_NAME_ASC, GIVEN_NAME_ASC, ROW_ID_ASC]) {
    id familyName givenName birthDate sex status
    coveragesByPracticeIdAndPatientIdList(first: 1, orderBy: [PRIORITY_ASC, ROW_ID_ASC]) {
      payerName planName memberId status }
    appointmentsByPracticeIdAndPatientIdList(first: 5, orderBy: [STARTS_AT_ASC, ROW_ID_ASC]) {
      startsAt status minutes providerByPracticeIdAndProviderId { familyName } } } } }"""
PEER_SMALL = "query Small($id: String!) { practiceByRowId(rowId: $id) { id name } }"
QUERIES = {"target": TARGET, "practice": SMALL, "rows": ROWS, "relay": RELAY}
FLOORS = {"target": FLOOR_TARGET, "practice": FLOOR_SMALL, "rows": FLOOR_ROWS, "relay": FLOOR_RELAY}
PEERS = {"target": PEER_TARGET, "practice": PEER_SMALL, "rows": PEER_TARGET}
STORED, COLD, NEW = "stored document", "known shape", "new shape"
KEPT = "not modified"
UNHELD = "engine unheld"
ASKED = {
    "target": ("hub", "hub unaudited", "engine", UNHELD, "floor", "PostGraphile"),
    "practice": ("hub", "engine", UNHELD, "floor", "PostGraphile"),
    "rows": ("hub", "floor", "PostGraphile"),
    "relay": ("hub", "floor"),
    STORED: ("hub", "hub unaudited"),
    COLD: ("hub", "PostGraphile"),
    NEW: ("hub", "PostGraphile"),
    KEPT: ("hub", "floor"),
}
"""Who is asked for each kind of request."""
