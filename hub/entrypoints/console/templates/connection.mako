<%inherit file="base.mako"/>
<%namespace name="ui" file="parts.mako"/>
<%def name="title()">Connection</%def>
<%def name="area()">Connections</%def>
<%
    import json
    base = "/console/connections/" + row["id"]
%>
<%def name="action(word, label, mutation)">
% if desk.may(mutation):
<form method="post" action="${base}/${word}">${ui.hidden(desk, key + word)}<button>${label}</button></form>
% endif
</%def>
<h1>${row["name"]}</h1>
<p>${ui.health(one.health.value)} ${row["statusReason"]}</p>
<div class="actions">
% if row["paused"]:
${action("resume", "Resume", "resumeConnection")}
% else:
${action("pause", "Pause", "pauseConnection")}
% endif
${action("test", "Test", "testConnection")}
% if one.pulled:
${action("sync", "Sync now", "syncConnection")}
% endif
</div>
<dl class="facts">
<dt>Connector</dt><dd>${row["connectorId"]}</dd>
<dt>Practice</dt><dd>${row["practice"]["name"] if row["practice"] else "shared"}</dd>
<dt>Status</dt><dd>${row["status"]}</dd>
<dt>Last success</dt><dd>${moment(one.succeeded_at)}</dd>
<dt>Waiting</dt><dd>${one.backlog}, oldest for ${ago(one.waiting_since, now)}</dd>
<dt>Next try</dt><dd>${moment(row["retryAt"])}</dd>
<dt>Set up</dt><dd>${moment(row["createdAt"])}</dd>
<dt>Messages in 24 hours</dt><dd>${ui.counts(states)}<a href="${href('/console/messages', conn=row['name'])}">Look at them</a></dd>
</dl>
<section aria-labelledby="checks"><h2 id="checks">Checks</h2>
% for check in row["checks"]["nodes"]:
<h3>${moment(check["checkedAt"])}: ${"all well" if check["ok"] else "something is wrong"}</h3>
<ul>
% for probe in check["probes"]["nodes"]:
<li>${"✓" if probe["ok"] else "✕"} ${probe["name"]} ${probe["error"]} ${probe["hint"]}</li>
% endfor
</ul>
% endfor
% if not row["checks"]["nodes"]:
<p>Never checked in the last 30 days.</p>
% endif
</section>
% if row.get("runs", {}).get("nodes"):
<section aria-labelledby="runs"><h2 id="runs">Latest syncs</h2>
<div class="wide" role="region" aria-label="Syncs" tabindex="0"><table><caption>Runs, newest first</caption>
<thead><tr><th scope="col">Started</th><th scope="col">Stream</th><th scope="col">State</th><th scope="col" class="n">Read</th><th scope="col" class="n">New</th><th scope="col" class="n">Changed</th><th scope="col" class="n">Rejected</th><th scope="col">Fault</th></tr></thead><tbody>
% for run in row["runs"]["nodes"]:
<tr><th scope="row">${moment(run["startedAt"])}</th><td>${run["stream"]}</td><td>${ui.state(run["state"])}</td><td class="n">${run["read"]}</td><td class="n">${run["created"]}</td><td class="n">${run["changed"]}</td><td class="n">${run["rejected"]}</td><td>${run["faultCode"]} ${run["faultText"]}</td></tr>
% endfor
</tbody></table></div></section>
% endif
% if settings is not None:
<section aria-labelledby="settings"><h2 id="settings">Settings</h2>
<p>Secrets are not shown; references stand for them. <code>mso-hub connection change</code> changes settings.</p>
<pre>${whole(json.dumps({"config": settings["config"], "routing": settings["routing"], "practices": [p["code"] for p in settings["practices"]]}, indent=2, sort_keys=True, ensure_ascii=False))}</pre>
<h3>Versions</h3>
<ul>
% for version in settings["versions"]:
<li>${version["version"]}: ${moment(version["recordedAt"])}, ${version["changedBy"]}: ${version["reason"]}</li>
% endfor
% if not settings["versions"]:
<li>never changed</li>
% endif
</ul></section>
% endif
