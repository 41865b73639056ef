<%inherit file="base.mako"/>
<%namespace name="ui" file="parts.mako"/>
<%def name="title()">Job</%def>
<%def name="area()">Jobs</%def>
<% base = "/console/jobs/" + row["id"] %>
<h1>${row["kind"]}</h1>
<p>${ui.state(row["state"])}</p>
% if row["errorCode"]:
<p class="problem"><strong>${row["errorCode"]}</strong> ${row["errorText"]}</p>
% endif
<dl class="facts">
<dt>Practice</dt><dd>${row["practice"]["name"] if row["practice"] else "–"}</dd>
<dt>Queue</dt><dd>${row["queue"]}</dd>
<dt>Attempt</dt><dd>${row["attempt"]} of ${row["maxAttempts"]}</dd>
<dt>Written</dt><dd>${moment(row["createdAt"])}</dd>
<dt>Due</dt><dd>${moment(row["runAt"])}</dd>
<dt>Done</dt><dd>${moment(row["doneAt"])}</dd>
% for name, value in sorted((row["progress"] or {}).items()):
<dt>${name}</dt><dd>${value}</dd>
% endfor
</dl>
% if may_retry:
<section class="card" aria-labelledby="retry"><h2 id="retry">Run it again</h2>
<form method="post" action="${base}/retry">${ui.hidden(desk, key)}${ui.reason("retry-reason")}<button>Run again</button></form></section>
% endif
% if may_cancel:
<section class="card" aria-labelledby="cancel"><h2 id="cancel">Stop it</h2>
<form method="post" action="${base}/cancel">${ui.hidden(desk, key)}${ui.reason("cancel-reason")}<button>Stop</button></form></section>
% endif
