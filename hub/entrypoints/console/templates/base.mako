<%inherit file="frame.mako"/>
<%def name="title()">Console</%def>
<%
    who = desk.session.principal
    path = capture(self.area).strip()
%>
<header class="top">
  <a class="brand" href="/console">mso-hub</a>
  <nav aria-label="Areas">
    <ul>
    % for address, name in areas:
      % if name == path:
      <li><a href="${address}" aria-current="page">${name}</a></li>
      % else:
      <li><a href="${address}">${name}</a></li>
      % endif
    % endfor
    </ul>
  </nav>
  <form class="who" method="post" action="/console/sign-out">
    <input type="hidden" name="token" value="${desk.token}">
    <span>${who.name}</span>
    <button class="quiet">Sign out</button>
  </form>
</header>
<p class="tenant ${'of-mso' if desk.is_mso else 'of-practice'}">
  % if desk.is_mso:
    <strong>MSO</strong> what the practices' agreements grant
  % else:
    <strong>Practice</strong> ${desk.session.practice_name}
  % endif
  <span class="purpose">for ${desk.session.purpose.value.lower()}</span>
</p>
<main id="main" tabindex="-1">
${self.notice()}
${next.body()}
</main>
<footer><p>Times are in UTC. What is opened and changed here is kept in the audit trail.</p></footer>
<%def name="area()"></%def>
<%def name="notice()">
% if done:
<p class="done" role="status">${done}</p>
% endif
</%def>
