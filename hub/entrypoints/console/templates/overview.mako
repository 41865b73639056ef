<%inherit file="base.mako"/>
<%namespace name="ui" file="parts.mako"/>
<%def name="title()">Overview</%def>
<%def name="area()">Overview</%def>
<h1>Overview</h1>
<section class="tiles" aria-label="Figures">
  <div><h2>Messages in 24 hours</h2><p class="figure">${found["day"]["totalCount"]}</p>${ui.counts(states)}</div>
  <div><h2>Waiting</h2><p class="figure">${found["waiting"]["totalCount"]}</p><p>oldest for ${ago(oldest, now)}</p></div>
  <div><h2>Dead jobs</h2><p class="figure">${found["dead"]["totalCount"]}</p>
  % if found["dead"]["totalCount"]:
  <p><a href="/console/jobs?state=DEAD">Look at them</a></p>
  % else:
  <p>none</p>
  % endif
  </div>
</section>
<section aria-labelledby="connections"><h2 id="connections">Connections</h2>
${ui.connections_table(rows, now, "How each connection is doing")}
% if more:
<p><a href="/console/connections">All connections</a></p>
% endif
</section>
<section aria-labelledby="troubled"><h2 id="troubled">Latest messages that were not read</h2>
${ui.messages_table(found["troubled"]["nodes"], "Quarantined and refused messages")}
</section>
% if desk.is_mso:
<section aria-labelledby="issues"><h2 id="issues">Issues of the last 24 hours</h2>
<div class="wide" role="region" aria-label="Issues" tabindex="0"><table>
<caption>How often each code came up</caption>
<thead><tr><th scope="col">Code</th><th scope="col">Kind</th><th scope="col">Connection</th><th scope="col">Day</th><th scope="col" class="n">Count</th></tr></thead>
<tbody>
% for one in issues:
<tr><th scope="row"><code>${one["code"]}</code></th><td>${one["kind"]}</td><td>${one["connectionName"] or "unknown sender"}</td><td>${one["day"]}</td><td class="n">${one["count"]}</td></tr>
% endfor
% if not issues:
<tr><td colspan="5">No issue.</td></tr>
% endif
</tbody></table></div></section>
% endif
