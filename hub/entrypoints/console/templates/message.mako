<%inherit file="base.mako"/>
<%namespace name="ui" file="parts.mako"/>
<%def name="title()">Message</%def>
<%def name="area()">Messages</%def>
<%
    BECAME = {
        "RECEIVED": "It is stored, was acknowledged, and waits to be read.",
        "PROCESSED": "It was read, and what it says is stored.",
        "IGNORED": "It was understood and is not wanted; nothing of it was stored but the message.",
        "QUARANTINED": "It could not be read. The bytes are kept, and nothing of it was applied.",
        "REFUSED": "Its sender was told that it is not accepted.",
        "EXPIRED": "It was read; its bytes were deleted when their time was over.",
    }
    NEXT = {
        "RECEIVED": "Nothing to do. If it waits long, look whether its connection is paused and whether jobs are run.",
        "QUARANTINED": "Correct the cause (a setting of the connection, a practice's code, a rule of its dialect), then read it again. If the sender has to correct it, ask for it anew.",
        "REFUSED": "Correct the setting that keeps it out and read it again, or ask the sender to correct and resend it.",
    }
    if turned_away:
        NEXT["REFUSED"] = "It cannot be read again. If its signature did not match, correct the secret of its connection or at its sender; then let it be sent again."
    base = "/console/messages/" + row["id"]
%>
<h1>${row["messageType"] or row["kind"]} <code>${row["controlId"]}</code></h1>
<section aria-labelledby="summary"><h2 id="summary">Summary</h2>
<p>${ui.state(row["state"])} ${BECAME.get(row["state"], "")}</p>
<p>${row["messageType"] or row["kind"]} from ${row["connection"]["name"] if row["connection"] else "an unknown sender"},
for ${row["practice"]["name"] if row["practice"] else "no practice it could be given to"}, received ${moment(row["receivedAt"])}.</p>
% if row["faultCode"]:
<p class="problem"><strong>${row["faultCode"]}</strong>
% if row["faultPath"]:
at <code>${row["faultPath"]}</code>:
% endif
${row["faultText"]}</p>
% endif
% if row["state"] in NEXT:
<p class="next"><strong>Next step.</strong> ${NEXT[row["state"]]}</p>
% endif
<dl class="facts">
<dt>Received</dt><dd>${moment(row["receivedAt"])}</dd>
<dt>Processed</dt><dd>${moment(row["processedAt"])}</dd>
<dt>Connection</dt><dd>
% if row["connection"]:
<a href="/console/connections/${row['connection']['id']}">${row["connection"]["name"]}</a>
% else:
unknown sender
% endif
</dd>
<dt>Practice</dt><dd>${row["practice"]["name"] if row["practice"] else "–"}</dd>
<dt>Size</dt><dd>${row["size"]} bytes, ${row["contentType"]}</dd>
<dt>Sent again</dt><dd>${row["duplicates"]} times</dd>
<dt>Related</dt><dd><a href="${href('/console/messages', ctl=row['controlId'])}">Messages with this control id</a></dd>
</dl></section>
<section aria-labelledby="issues"><h2 id="issues">Issues of its last reading</h2>
% if row["issues"]["nodes"]:
<div class="wide" role="region" aria-label="Issues" tabindex="0"><table><caption>${row["issues"]["totalCount"]} in all</caption>
<thead><tr><th scope="col">Code</th><th scope="col">Where</th><th scope="col">What</th></tr></thead><tbody>
% for issue in row["issues"]["nodes"]:
<tr><th scope="row"><code>${issue["code"]}</code></th><td><code>${issue["path"]}</code></td><td>${issue["text"]}</td></tr>
% endfor
</tbody></table></div>
% else:
<p>None.</p>
% endif
</section>
% if may_open:
<section class="card" aria-labelledby="open"><h2 id="open">What it says</h2>
<p>Not shown until you say why. Reading it is kept in the audit trail with your reason.</p>
<form method="post" action="${base}/content">${ui.hidden(desk)}
${ui.reason("open-reason")}<button>Show the message</button></form></section>
% endif
% if may_replay:
<section class="card" aria-labelledby="replay"><h2 id="replay">Read it again</h2>
<form method="post" action="${base}/replay">${ui.hidden(desk, key)}
${ui.reason("replay-reason")}<button>Read again</button></form></section>
% endif
