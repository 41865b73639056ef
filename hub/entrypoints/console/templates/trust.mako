<%inherit file="base.mako"/>
<%namespace name="ui" file="parts.mako"/>
<%def name="title()">Trust</%def>
<%def name="area()">Trust</%def>
<%
    SEES = {"NONE": "nothing", "AGGREGATE": "figures over several practices", "LIMITED": "rows without direct identifiers", "ROW": "whole rows"}
%>
<h1>What the MSO sees</h1>
% if desk.has("auditEvents"):
<p><a href="/console/trust/audit">Audit trail</a></p>
% endif
<p>By the agreements of the practices; what no agreement grants is not seen.</p>
<div class="wide" role="region" aria-label="Agreements" tabindex="0"><table><caption>Agreements by practice and domain</caption>
<thead><tr><th scope="col">Practice</th><th scope="col">Domain</th><th scope="col">The MSO sees</th><th scope="col">For</th><th scope="col">From</th><th scope="col">Until before</th><th scope="col">Also</th></tr></thead><tbody>
% for one in rows:
<tr><th scope="row">${one["practice"]["name"] if one["practice"] else "–"}</th><td>${one["domain"].lower()}</td><td>${SEES.get(one["granularity"], one["granularity"])}</td><td>${", ".join(one["purposes"]).lower()}</td><td>${one["startsOn"]}</td><td>${one["endsOn"] or "open"}</td>
<td>${", ".join(words for name, words in (("dataAggregation", "figures across practices"), ("delegatesPurchaseApproval", "approval of purchases"), ("sensitiveRecords", "records with a sensitivity label")) if one[name])}</td></tr>
% endfor
% if not rows:
<tr><td colspan="7">No agreement.</td></tr>
% endif
</tbody></table></div>
${ui.next_page("/console/trust", page_info)}
