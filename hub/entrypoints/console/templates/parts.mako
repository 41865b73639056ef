## What several pages show.
<%!
    HEALTH = {
        "pending": ("Pending", "○", "calm"),
        "in_progress": ("In progress", "◐", "calm"),
        "on_time": ("On time", "✓", "good"),
        "on_track": ("On track", "↻", "good"),
        "delayed": ("Delayed", "◷", "warn"),
        "error": ("Error", "✕", "bad"),
        "action_required": ("Action required", "!", "bad"),
        "disabled": ("Disabled", "‖", "calm"),
    }
    STATES = {
        "RECEIVED": ("Waiting", "…", "calm"),
        "PROCESSED": ("Processed", "✓", "good"),
        "IGNORED": ("Ignored", "–", "calm"),
        "QUARANTINED": ("Quarantined", "!", "bad"),
        "REFUSED": ("Refused", "✕", "bad"),
        "EXPIRED": ("Expired", "⌛", "calm"),
        "READY": ("Ready", "…", "calm"),
        "RUNNING": ("Running", "◐", "calm"),
        "DONE": ("Done", "✓", "good"),
        "DEAD": ("Dead", "✕", "bad"),
        "CANCELLED": ("Cancelled", "–", "calm"),
        "running": ("Running", "◐", "calm"),
        "done": ("Done", "✓", "good"),
        "failed": ("Failed", "✕", "bad"),
        "interrupted": ("Interrupted", "!", "warn"),
        "success": ("Success", "✓", "good"),
        "denied": ("Denied", "✕", "bad"),
    }
%>
<%def name="word(found, otherwise)">\
<% name, sign, tone = found or (otherwise, "·", "calm") %>\
<span class="word ${tone}"><span aria-hidden="true">${sign}</span> ${name}</span>\
</%def>
<%def name="health(one)">${word(HEALTH.get(one), one)}</%def>
<%def name="state(one)">${word(STATES.get(one), one)}</%def>
<%def name="counts(states)">
<ul class="counts">
% for name, count in sorted(states.items()):
  <li>${state(name)} <b>${count}</b></li>
% endfor
% if not states:
  <li>nothing</li>
% endif
</ul>
</%def>
<%def name="hidden(desk, key='')">
<input type="hidden" name="token" value="${desk.token}">
% if key:
<input type="hidden" name="key" value="${key}">
% endif
</%def>
<%def name="next_page(path, info, **more)">
% if info["hasNextPage"]:
<p class="pager"><a rel="next" href="${href(path, after=info['endCursor'], **more)}">Next page →</a></p>
% endif
</%def>
<%def name="reason(name)">
<label for="${name}">Reason</label>
<input id="${name}" name="reason" required maxlength="200" autocomplete="off" aria-describedby="${name}-help">
<p class="help" id="${name}-help">Kept in the audit trail; name no patient.</p>
</%def>
<%def name="connections_table(rows, now, caption)">
<div class="wide" role="region" aria-label="${caption}" tabindex="0">
<table>
<caption>${caption}</caption>
<thead><tr><th scope="col">Connection</th><th scope="col">Health</th><th scope="col">Practice</th>
<th scope="col">Last success</th><th scope="col" class="n">Waiting</th><th scope="col">Oldest waiting</th></tr></thead>
<tbody>
% for one in rows:
<tr>
<th scope="row"><a href="/console/connections/${one.row['id']}">${one.row["name"]}</a><br><small>${one.row["connectorId"]}</small></th>
<td>${health(one.health.value)}
% if one.row["statusReason"]:
<br><small>${one.row["statusReason"]}</small>
% endif
</td>
<td>${one.row["practice"]["name"] if one.row["practice"] else "shared"}</td>
<td>${ago(one.succeeded_at, now)}</td>
<td class="n">${one.backlog}</td>
<td>${ago(one.waiting_since, now)}</td>
</tr>
% endfor
% if not rows:
<tr><td colspan="6">No connection yet.</td></tr>
% endif
</tbody></table></div>
</%def>
<%def name="messages_table(nodes, caption)">
<div class="wide" role="region" aria-label="${caption}" tabindex="0">
<table>
<caption>${caption}</caption>
<thead><tr><th scope="col">Received</th><th scope="col">Type</th><th scope="col">Control id</th>
<th scope="col">Connection</th><th scope="col">Practice</th><th scope="col">State</th><th scope="col">Fault</th></tr></thead>
<tbody>
% for one in nodes:
<tr>
<th scope="row"><a href="/console/messages/${one['id']}">${moment(one["receivedAt"])}</a></th>
<td>${one["messageType"]}</td><td><code>${one["controlId"]}</code></td>
<td>${one["connection"]["name"] if one["connection"] else "unknown sender"}</td>
<td>${one["practice"]["name"] if one["practice"] else "–"}</td>
<td>${state(one["state"])}</td>
<td>
% if one["faultCode"]:
<code>${one["faultCode"]}</code> ${one["faultText"]}
% endif
</td></tr>
% endfor
% if not nodes:
<tr><td colspan="7">No message.</td></tr>
% endif
</tbody></table></div>
</%def>
