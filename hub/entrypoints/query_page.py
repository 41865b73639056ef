"""A page to try queries on, for the demo profile: one file, no foreign assets, nothing stored."""

from __future__ import annotations

import base64
import hashlib

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem auto; max-width: 72rem }
body { padding: 0 1rem }
label { display: block; font-weight: 600; margin: .8rem 0 .2rem }
input, textarea, pre { box-sizing: border-box; font: 13px/1.5 ui-monospace, monospace; width: 100% }
textarea { height: 14rem } #variables { height: 4rem }
pre { background: #f4f4f4; color: #111; min-height: 6rem; overflow: auto; padding: .6rem }
button { font: inherit; margin-top: .8rem; padding: .4rem 1.4rem }
"""

_SCRIPT = """
const field = (id) => document.getElementById(id);
field("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const result = field("result");
  let variables = {};
  try {
    variables = JSON.parse(field("variables").value || "{}");
  } catch {
    result.textContent = "The variables are not JSON.";
    return;
  }
  result.textContent = "…";
  try {
    const answer = await fetch(window.location.pathname, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "Accept": "application/graphql-response+json",
        "Authorization": "Bearer " + field("credential").value.trim(),
      },
      body: JSON.stringify({ query: field("query").value, variables }),
    });
    result.textContent = JSON.stringify(await answer.json(), null, 2);
  } catch {
    result.textContent = "The hub did not answer.";
  }
});
"""


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; script-src 'sha256-{_digest(_SCRIPT)}'; "
    f"style-src 'sha256-{_digest(_STYLE)}'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

PAGE = f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>mso-hub: GraphQL</title><style>{_STYLE}</style></head>
<body>
<h1>GraphQL</h1>
<form id="form">
<label for="credential">Credential</label>
<input id="credential" type="password" autocomplete="off" placeholder="hub_…">
<label for="query">Query</label>
<textarea id="query" spellcheck="false">{{
  practices {{
    nodes {{
      name
      appointments(first: 5) {{ nodes {{ startsAt status provider {{ familyName }} }} }}
    }}
  }}
}}</textarea>
<label for="variables">Variables (JSON)</label>
<textarea id="variables" spellcheck="false"></textarea>
<button type="submit">Run</button>
</form>
<label for="result">Answer</label>
<pre id="result" aria-live="polite"></pre>
<script>{_SCRIPT}</script>
</body>
</html>
"""
