// One scenario with graphql-request, graphql-ws over the WebSocket that browsers have, and fetch:
// node scenario.mjs <folder with node_modules> <url of /graphql>. The credential and the digest of a
// stored document come in the environment. Prints what each step saw as one JSON object.
import { createRequire } from 'node:module';
import path from 'node:path';

const [folder, url] = process.argv.slice(2);
const require = createRequire(path.join(folder, 'scenario.cjs'));
const { GraphQLClient, gql } = require('graphql-request');
const { createClient } = require('graphql-ws');
const { WebSocket } = require('undici');

const authorization = process.env.CLIENT_AUTHORIZATION;
const http = new GraphQLClient(url, { headers: { authorization } });
const seen = {};

const PATIENTS = gql`
  query Patients($after: String, $first: Int!) {
    patients(first: $first, after: $after, orderBy: NAME) {
      nodes { familyName }
      pageInfo { hasNextPage endCursor }
    }
  }
`;
const OPEN = gql`
  mutation Open($input: OpenPurchasingRoundInput!) {
    openPurchasingRound(input: $input) {
      __typename
      ... on OpenPurchasingRoundPayload { round { id name } }
      ... on UserErrors { errors { code field message } }
    }
  }
`;
const START = gql`
  mutation Start($input: StartExportInput!) {
    startExport(input: $input) { ... on StartExportPayload { downloadPath export { id } } }
  }
`;
const STATE = gql`
  query State($id: ID!) { node(id: $id) { ... on Export { state rows } } }
`;
const JOBS = 'subscription Jobs($after: ID) { jobProgress(after: $after) { id job { kind state } } }';

// A query with variables, to its last page
seen.names = [];
let after = null;
do {
  const { patients } = await http.request(PATIENTS, { after, first: 2 });
  seen.names.push(...patients.nodes.map((node) => node.familyName));
  after = patients.pageInfo.hasNextPage ? patients.pageInfo.endCursor : null;
} while (after !== null);

// A dry run, one effect for one key, and typed errors
const open = async (input) => (await http.request(OPEN, { input })).openPurchasingRound;
const rounds = async () =>
  (await http.request('{ purchasingRounds { totalCount } }')).purchasingRounds.totalCount;
seen.dry = (await open({ name: 'March', validateOnly: true })).round.name;
seen.afterDry = await rounds();
const opened = [];
for (let turn = 0; turn < 2; turn += 1) {
  opened.push(await open({ name: 'March', idempotencyKey: 'march' }));
}
seen.same = opened[0].round.id === opened[1].round.id;
seen.afterBoth = await rounds();
seen.refused = await open({ name: ' ' });
try {
  await http.request('{ nothing }');
} catch (error) {
  seen.invalid = error.response.errors[0].extensions.code;
}

// A stored document by its digest
const stored = await fetch(url, {
  method: 'POST',
  headers: { authorization, 'content-type': 'application/json' },
  body: JSON.stringify({ documentId: process.env.CLIENT_DOCUMENT }),
});
seen.stored = (await stored.json()).data;

// A bulk export, followed over WebSocket, and downloaded once
const { startExport } = await http.request(START, {
  input: { query: '{ patients(orderBy: NAME) { nodes { familyName } } }' },
});
const socket = createClient({
  url: url.replace('http', 'ws'),
  webSocketImpl: WebSocket,
  connectionParams: { authorization },
  retryAttempts: 0,
});
const events = [];
for await (const { data, errors } of socket.iterate({ query: JOBS, variables: { after: '0' } })) {
  if (errors) throw new Error(JSON.stringify(errors));
  events.push(data.jobProgress);
  const { kind, state } = data.jobProgress.job; // as it is by now, so the first may be DONE already
  if (events.length > 1 && kind === 'exports.run' && state === 'DONE') break;
}
await socket.dispose();
seen.events = events.length;
seen.inOrder = events.every((one, i) => i === 0 || Number(one.id) > Number(events[i - 1].id));
seen.export = (await http.request(STATE, { id: startExport.export.id })).node;
const download = () =>
  fetch(new URL(startExport.downloadPath, url), { headers: { authorization } });
seen.lines = (await (await download()).text()).trim().split('\n').map((line) => JSON.parse(line));
seen.again = (await download()).status;

// The same events again from the first on, over server-sent events
const stream = await fetch(url, {
  method: 'POST',
  headers: {
    authorization,
    accept: 'text/event-stream',
    'content-type': 'application/json',
    'last-event-id': events[0].id,
  },
  body: JSON.stringify({ query: JOBS }),
});
let text = '';
for await (const chunk of stream.body) {
  text += Buffer.from(chunk).toString();
  if (/^id: \d+\ndata: .*\n\n/m.test(text)) break;
}
seen.resumed = Number(/^id: (\d+)$/m.exec(text)[1]) > Number(events[0].id);

console.log(JSON.stringify(seen));
process.exit(0);
