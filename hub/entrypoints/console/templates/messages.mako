<%inherit file="base.mako"/>
<%namespace name="ui" file="parts.mako"/>
<%namespace name="search" file="search.mako"/>
<%def name="title()">Messages</%def>
<%def name="area()">Messages</%def>
<h1>Messages</h1>
${search.box(desk, given)}
${ui.messages_table(nodes, "Messages, newest first")}
${ui.next_page("/console/messages", page_info, **given)}
% if may_plan and nodes:
<form method="post" action="/console/messages/plan">${ui.hidden(desk)}
${search.kept(given)}
<button>Read all of these again…</button></form>
% endif
