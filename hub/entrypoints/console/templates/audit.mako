<%inherit file="base.mako"/>
<%namespace name="ui" file="parts.mako"/>
<%def name="title()">Audit trail</%def>
<%def name="area()">Trust</%def>
<%def name="choice(name, label, values)">
<div><label for="${name}">${label}</label><select id="${name}" name="${name}"><option value="">all</option>
% for value in values:
<option\
% if value == given[name]:
 selected\
% endif
>${value}</option>
% endfor
</select></div>
</%def>
<h1>Audit trail</h1>
<form class="search" method="get" action="/console/trust/audit">
${choice("action", "Action", ("read", "write", "execute"))}
${choice("outcome", "Outcome", ("success", "denied", "failed"))}
<div><label for="since">After</label><input id="since" name="since" value="${given['since']}" placeholder="24h or 2026-03-01"></div>
<div><label for="until">Before</label><input id="until" name="until" value="${given['until']}"></div>
% if given["principal"]:
<input type="hidden" name="principal" value="${given['principal']}">
% endif
<button>Show</button></form>
% if given["principal"]:
<p>Of one principal only. <a href="/console/trust/audit">Of all</a></p>
% endif
<div class="wide" role="region" aria-label="Events" tabindex="0"><table><caption>Events, newest first; each has a digest over itself and those before it</caption>
<thead><tr><th scope="col">When</th><th scope="col">Who</th><th scope="col">Purpose</th><th scope="col">Action</th><th scope="col">Outcome</th><th scope="col">Operation</th><th scope="col">Reason</th><th scope="col">Digest</th></tr></thead><tbody>
% for one in nodes:
<tr><th scope="row">${moment(one["recordedAt"])}</th><td><a href="${href('/console/trust/audit', principal=one['principalId'])}">${one["principalName"]}</a></td><td>${one["purpose"].lower()}</td><td>${one["action"]}</td><td>${ui.state(one["outcome"])}</td><td>${one["operation"][:60]}</td><td>${one["reason"]}</td><td><code>${one["digest"][:12]}</code></td></tr>
% endfor
% if not nodes:
<tr><td colspan="8">No event.</td></tr>
% endif
</tbody></table></div>
${ui.next_page("/console/trust/audit", page_info, **given)}
<p>The chain is verified against heads that lie outside of the database by <code>mso-hub audit verify</code>.</p>
