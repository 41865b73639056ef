<%inherit file="base.mako"/>
<%namespace name="search" file="search.mako"/>
<%def name="title()">Messages are read again</%def>
<%def name="area()">Messages</%def>
<h1>Messages are read again</h1>
<p class="done" role="status">${count} of ${planned} messages are read again, in the order they came.</p>
% if count < planned:
<p class="next">The others changed since the plan was made; look at the search again.</p>
% endif
<p>Each stays as it was until it is read: <a href="${href('/console/messages', **given)}">what the search finds now</a>,
and the <a href="${href('/console/jobs', state='READY')}">jobs that wait</a>. Reload to see how far it is.</p>
