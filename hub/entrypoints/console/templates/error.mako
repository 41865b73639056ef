<%inherit file="base.mako"/>
<%def name="title()">Not done</%def>
<h1>That did not work</h1>
<p class="problem" role="alert">${sentence}</p>
% if error_id:
<p>Error id <code>${error_id}</code></p>
% endif
<p><a href="/console">Back to the overview</a></p>
