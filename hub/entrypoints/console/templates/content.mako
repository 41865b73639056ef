<%inherit file="base.mako"/>
<%namespace name="ui" file="parts.mako"/>
<%def name="title()">Message opened</%def>
<%def name="area()">Messages</%def>
<%
    import json
%>
<h1>${row["messageType"]} <code>${row["controlId"]}</code></h1>
<p>Opened at ${moment(now)}. <a href="/console/messages/${row['id']}">Close it</a></p>
<nav aria-label="Views"><ul class="counts"><li><a href="#parsed">Parsed</a></li><li><a href="#raw">Raw</a></li><li><a href="#records">Records</a></li><li><a href="#issues">Issues</a></li><li><a href="#answer">Answer</a></li></ul></nav>
<section aria-labelledby="parsed"><h2 id="parsed">Parsed</h2>
% for segment in segments:
<details open><summary><strong>${segment.id}</strong></summary>
% if segment.fields:
<table class="tree"><thead><tr><th scope="col">Field</th><th scope="col">Name</th><th scope="col">Value</th></tr></thead><tbody>
% for field in segment.fields:
<tr><td><code>${field.path}</code></td><td>${field.name}</td><td class="mono">${field.text}</td></tr>
% endfor
</tbody></table>
% else:
<p class="mono">${segment.text}</p>
% endif
</details>
% endfor
% if left_out:
<p>${left_out} more segments are not shown, nor under Raw.</p>
% endif
</section>
<section aria-labelledby="raw"><h2 id="raw">Raw</h2>
<pre>\
% for segment in segments:
${whole(segment.text)}
% endfor
</pre></section>
<section aria-labelledby="records"><h2 id="records">Records</h2>
<p>What its connection’s settings of now find in it; nothing is stored by looking.</p>
<pre>${whole(json.dumps(content["records"], indent=2, ensure_ascii=False))}</pre></section>
<section aria-labelledby="issues"><h2 id="issues">Issues found now</h2>
<ul>
% for issue in content["issues"]:
<li><code>${issue["code"]}</code> <code>${issue["path"]}</code> ${issue["text"]}</li>
% endfor
% if not content["issues"]:
<li>None.</li>
% endif
</ul></section>
<section aria-labelledby="answer"><h2 id="answer">Answer sent</h2>
<pre>${whole(content["answer"].replace("\r", "\n") or "none")}</pre></section>
