// Runs the server audits of GraphQL over HTTP: node audit.mjs <folder with node_modules> <url>.
// The credential comes in the environment. Prints one JSON array of {id, name, status, reason}.
import { createRequire } from 'node:module';
import path from 'node:path';

const [folder, url] = process.argv.slice(2);
const { auditServer } = createRequire(path.join(folder, 'audit.cjs'))('graphql-http');

const headers = { authorization: process.env.AUDIT_AUTHORIZATION };
const results = await auditServer({
  url,
  fetchFn: (address, options = {}) =>
    fetch(address, { ...options, headers: { ...options.headers, ...headers } }),
});
console.log(
  JSON.stringify(results.map(({ id, name, status, reason }) => ({ id, name, status, reason }))),
);
process.exit(0);
