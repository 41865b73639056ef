<%inherit file="base.mako"/>
<%namespace name="ui" file="parts.mako"/>
<%namespace name="search" file="search.mako"/>
<%def name="title()">Read many messages again</%def>
<%def name="area()">Messages</%def>
<h1>Read many messages again</h1>
<section aria-labelledby="plan"><h2 id="plan">The plan</h2>
<dl class="facts">
<dt>Searched for</dt><dd><code>${search.text(given)}</code></dd>
<dt>To be read again</dt><dd><b>${count}</b></dd>
<dt>Left out</dt><dd>${left_out}
% if left_out:
which were turned away unproven, or have no bytes any more
% endif
</dd>
</dl>
<p>They are read in the order they came, each by the rules its connection has now. What arrived after
${moment(given["until"])} is not among them.</p>
</section>
% if count > most:
<p class="problem">At most ${most} are read again at once. Narrow the search, by its times for instance, and plan again.</p>
% elif count == 0:
<p class="next">Nothing is to be read again.</p>
% else:
<section class="card" aria-labelledby="start"><h2 id="start">Start</h2>
<form method="post" action="/console/messages/replay">${ui.hidden(desk, key)}
${search.kept(given)}
<input type="hidden" name="planned" value="${count}">
<label for="count">Type the number of messages, ${count}</label>
<input id="count" name="count" required inputmode="numeric" pattern="[0-9]*" autocomplete="off">
${ui.reason("start-reason")}<button>Read ${count} again</button></form></section>
% endif
${ui.messages_table(nodes, "The first of what the search finds, oldest first")}
<p><a href="${href('/console/messages', **given)}">Back to the search</a></p>
