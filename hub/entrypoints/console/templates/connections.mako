<%inherit file="base.mako"/>
<%namespace name="ui" file="parts.mako"/>
<%def name="title()">Connections</%def>
<%def name="area()">Connections</%def>
<h1>Connections</h1>
${ui.connections_table(rows, now, "Connections")}
${ui.next_page("/console/connections", page_info)}
