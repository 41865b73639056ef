<%inherit file="base.mako"/>
<%namespace name="ui" file="parts.mako"/>
<%def name="title()">Issues</%def>
<%def name="area()">Issues</%def>
<%
    KINDS = {"fault": "not read", "issue": "read but for something", "framing": "tolerated around it"}
    SPANS = {"1": "the last 24 hours", "7": "the last 7 days", "30": "the last 30 days"}
%>
<h1>Issues</h1>
<p>What went wrong with messages, by code and connection. Show:
% for one in choices:
% if one == days:
 <b>${SPANS[one]}</b>\
% else:
 <a href="${href('/console/issues', days=one)}">${SPANS[one]}</a>\
% endif
% endfor
.</p>
<div class="wide" role="region" aria-label="Issues" tabindex="0"><table><caption>Issues of ${SPANS[days]}, the most frequent first</caption>
<thead><tr><th scope="col">Code</th><th scope="col">What became of the message</th><th scope="col">Connection</th>
<th scope="col" class="n">Messages</th><th scope="col">By day, UTC</th><th scope="col">Look</th></tr></thead><tbody>
% for one in rows:
<tr><th scope="row"><code>${one.code}</code></th><td>${KINDS.get(one.kind, one.kind)}</td>
<td>
% if one.connection_id:
<a href="/console/connections/${one.connection_id}">${one.connection}</a>
% else:
unknown sender
% endif
</td>
<td class="n">${one.count}</td>
<td>${", ".join(f"{day}: {count}" for day, count in one.days)}</td>
<td>
% if one.kind == "fault":
<a href="${href('/console/messages', err=one.code, conn=one.connection, since=since)}">messages<span class="far"> with ${one.code} of ${one.connection or "an unknown sender"}</span></a>
% endif
</td></tr>
% endfor
% if not rows:
<tr><td colspan="6">No issue.</td></tr>
% endif
</tbody></table></div>
<p class="help">Correct the cause, then read the messages of a code again: its list has a button for all of them.</p>
