"use strict";

// Queries, variables, answers and credentials may concern patients: they live in this page's memory
// only. Nothing goes into the browser's storage or the address, and only /graphql is asked.

const DEFAULT_HEADERS = '{"Authorization": "Bearer hub_…"}';

const DEFAULT_QUERY = `# The next visits of every practice and who sees the patient.
#
# 1. Put a credential in the place of hub_… under Headers, below.
#    The demo leaves them in demo-credentials.json in its data directory
#    (data/demo after "make demo"); "demo MSO app" sees every practice.
#    On a hub of your own: mso-hub client create
# 2. Press Ctrl-Enter. The book on the left opens the documentation.
#
# Nothing typed here is kept when you leave the page.

query NextVisits {
  practices {
    nodes {
      name
      appointments(first: 5, orderBy: STARTS_AT) {
        totalCount
        nodes {
          startsAt
          status
          provider {
            givenName
            familyName
          }
        }
      }
    }
  }
}
`;

const NO_CREDENTIAL = "Put a credential in the place of hub_… under Headers.";
const NO_ANSWER = "The hub did not answer; is it still running?";

const noStorage = {
  length: 0,
  getItem: () => null,
  setItem: () => {},
  removeItem: () => {},
  clear: () => {},
};

/** The value of the Authorization header, "" if there is none that could be one of the hub's. */
function authorizationOf(headers) {
  const named = Object.entries(headers ?? {}).find(
    ([name]) => name.toLowerCase() === "authorization",
  );
  const value = typeof named?.[1] === "string" ? named[1].trim() : "";
  return /^Bearer hub_[\x21-\x7e]+$/i.test(value) ? value : "";
}

function failure(message) {
  return { errors: [{ message }] };
}

async function ask(parameters, options) {
  const headers = options?.headers;
  if (!authorizationOf(headers)) {
    return failure(NO_CREDENTIAL);
  }
  try {
    const answer = await fetch(window.location.pathname, {
      method: "POST",
      headers: { ...headers, "Accept": "application/json", "Content-Type": "application/json" },
      body: JSON.stringify(parameters),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
    return await answer.json();
  } catch {
    return failure(NO_ANSWER);
  }
}

/** GraphiQL reads the schema again whenever its fetcher is another one, so a credential gets one. */
function fetcherFor() {
  return (parameters, options) => ask(parameters, options);
}

function Page() {
  const [fetcher, setFetcher] = React.useState(fetcherFor);
  const seen = React.useRef({ authorization: "", timer: 0 });
  const onEditHeaders = React.useCallback((text) => {
    clearTimeout(seen.current.timer);
    seen.current.timer = setTimeout(() => {
      let authorization = "";
      try {
        authorization = authorizationOf(JSON.parse(text));
      } catch {
        return; // not JSON yet
      }
      if (authorization && authorization !== seen.current.authorization) {
        seen.current.authorization = authorization;
        setFetcher(fetcherFor);
      }
    }, 600);
  }, []);
  return React.createElement(GraphiQL, {
    fetcher,
    onEditHeaders,
    storage: noStorage,
    shouldPersistHeaders: false,
    showPersistHeadersSettings: false,
    defaultQuery: DEFAULT_QUERY,
    defaultHeaders: DEFAULT_HEADERS,
    defaultEditorToolsVisibility: "headers",
  });
}

ReactDOM.createRoot(document.getElementById("graphiql")).render(React.createElement(Page));
