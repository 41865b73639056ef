<%inherit file="base.mako"/>
<%namespace name="ui" file="parts.mako"/>
<%def name="title()">Jobs</%def>
<%def name="area()">Jobs</%def>
<h1>Jobs</h1>
<form class="search" method="get" action="/console/jobs">
<div><label for="state">State</label><select id="state" name="state"><option value="">all</option>
% for state in states:
<option value="${state}"\
% if state == given["state"]:
 selected\
% endif
>${state.lower()}</option>
% endfor
</select></div>
<div><label for="kind">Kind</label><input id="kind" name="kind" value="${given['kind']}" maxlength="100" placeholder="ingest.process_message"></div>
<button>Show</button></form>
<div class="wide" role="region" aria-label="Jobs" tabindex="0"><table><caption>Jobs, newest first</caption>
<thead><tr><th scope="col">Written</th><th scope="col">Kind</th><th scope="col">State</th><th scope="col" class="n">Attempt</th><th scope="col">Due</th><th scope="col">Practice</th><th scope="col">Error</th></tr></thead><tbody>
% for one in nodes:
<tr><th scope="row"><a href="/console/jobs/${one['id']}">${moment(one["createdAt"])}</a></th><td>${one["kind"]}</td><td>${ui.state(one["state"])}</td><td class="n">${one["attempt"]} of ${one["maxAttempts"]}</td><td>${moment(one["runAt"])}</td><td>${one["practice"]["name"] if one["practice"] else "–"}</td><td><code>${one["errorCode"]}</code> ${one["errorText"]}</td></tr>
% endfor
% if not nodes:
<tr><td colspan="7">No job.</td></tr>
% endif
</tbody></table></div>
${ui.next_page("/console/jobs", page_info, **given)}
