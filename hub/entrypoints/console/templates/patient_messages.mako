<%inherit file="base.mako"/>
<%namespace name="ui" file="parts.mako"/>
<%namespace name="search" file="search.mako"/>
<%def name="title()">Messages of a patient</%def>
<%def name="area()">Messages</%def>
<h1>Messages of a patient</h1>
${search.box(desk, {})}
${ui.messages_table(nodes, "Messages of the patient searched for, newest first")}
% if page_info["hasNextPage"]:
<form method="post" action="/console/messages/of-a-patient">
${ui.hidden(desk)}
<input type="hidden" name="keys" value="${whole(keys)}">
<input type="hidden" name="after" value="${whole(page_info['endCursor'])}">
% for name, value in given.items():
% if value:
<input type="hidden" name="${name}" value="${whole(value)}">
% endif
% endfor
<button>Next page →</button>
</form>
% endif
