<%inherit file="frame.mako"/>
<%def name="title()">Sign in</%def>
<main id="main" class="door">
<h1>mso-hub</h1>
<p>Operator console</p>
% if problem:
<p class="problem" role="alert">${problem}</p>
% endif
% if followed:
<p>Already signed in? <a href="/console">Go on</a>. A link from elsewhere does not tell the hub who you are.</p>
% endif
<form method="post" action="/console/sign-in">
  <input type="hidden" name="token" value="${token}">
  <label for="key">Credential</label>
  <input id="key" name="key" type="password" required autofocus maxlength="200" spellcheck="false"
    autocomplete="current-password" aria-describedby="key-help">
  <p class="help" id="key-help">The key that <code>mso-hub client create</code> printed.</p>
  <label for="purpose">Purpose</label>
  <select id="purpose" name="purpose">
    <option value="">the credential’s own</option>
    % for purpose in purposes:
    <option value="${purpose}">${purpose.lower()}</option>
    % endfor
  </select>
  <button class="primary">Sign in</button>
</form>
</main>
