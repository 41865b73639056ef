<%!
    NAMES = {"since": "after", "until": "before"}

    def as_text(given):
        """A search as it would be typed."""
        said = ((NAMES.get(name, name), value) for name, value in given.items() if value)
        return " ".join(f'{name}:"{value}"' if " " in value else f"{name}:{value}" for name, value in said)
%>
<%def name="text(given)">${as_text(given)}</%def>
<%def name="kept(given)">
% for name, value in given.items():
<input type="hidden" name="${name}" value="${whole(value)}">
% endfor
</%def>
<%namespace name="ui" file="parts.mako"/>
<%def name="box(desk, given)">
<form class="search" method="post" action="/console/messages" role="search">
${ui.hidden(desk)}
<div><label for="q">Search</label>
<input id="q" name="q" value="${whole(as_text(given))}" maxlength="500" autocomplete="off" spellcheck="false" aria-describedby="q-help"></div>
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
