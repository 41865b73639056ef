<%namespace name="ui" file="parts.mako"/>
<%def name="box(desk, given)">
<%
    NAMES = {"since": "after", "until": "before"}
    text = " ".join(f'{NAMES.get(n, n)}:"{v}"' if " " in v else f"{NAMES.get(n, n)}:{v}" for n, v in given.items() if v)
%>
<form class="search" method="post" action="/console/messages" role="search">
${ui.hidden(desk)}
<div><label for="q">Search</label>
<input id="q" name="q" value="${whole(text)}" maxlength="500" autocomplete="off" spellcheck="false" aria-describedby="q-help"></div>
<button class="primary">Search</button>
</form>
<p class="help" id="q-help"><code>ctl:</code> control id, <code>type:</code> like ADT^A01, <code>conn:</code> connection,
<code>status:</code> waiting, processed, ignored, quarantined, refused or expired, <code>err:</code> fault code,
<code>after:</code> and <code>before:</code> like 2h, 3d or 2026-03-01\
% if desk.reads_messages:
, <code>mrn:</code> a patient’s record number; that never stands in an address\
% endif
.</p>
</%def>
