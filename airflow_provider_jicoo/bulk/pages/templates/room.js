(() => {
  const live = document.querySelector('[data-live]');
  if (live) {
    const every = Number(live.dataset.every) * 1000;
    const said = document.querySelector('#live-said');
    const look = async () => {
      if (document.hidden || document.querySelector('dialog[open]')) { setTimeout(look, every); return; }
      try {
        const answer = await fetch(live.dataset.live, {headers: {'X-Jicoo-Page': '1'}});
        if (answer.status === 205) { location.assign(location.pathname); return; }
        if (answer.ok) { live.innerHTML = await answer.text(); said.textContent = ''; }
        else if (answer.status < 500) { said.textContent = 'This page can no longer be refreshed: reload it.'; return; }
      } catch { said.textContent = 'Airflow does not answer at the moment.'; }
      setTimeout(look, every);
    };
    setTimeout(look, every);
  }

  const ask = document.querySelector('#ask');
  if (ask) {
    const question = ask.querySelector('#question'), yes = ask.querySelector('#yes'), outcome = document.querySelector('#outcome');
    let wanted = null;
    document.querySelectorAll('button[data-action]').forEach((button) => button.addEventListener('click', () => {
      const body = {action: button.dataset.action};
      if (body.action === 'slow') {
        const field = document.querySelector('#rate');
        if (!field.reportValidity() || !field.value) { field.focus(); return; }
        body.rate = Number(field.value);
      }
      wanted = {body, to: button.dataset.to};
      question.textContent = button.dataset.question.replace('{rate}', body.rate);
      yes.textContent = button.textContent.trim();
      yes.className = button.classList.contains('danger') ? 'danger' : 'main';
      ask.showModal();
    }));
    ask.addEventListener('close', async () => {
      if (ask.returnValue !== 'yes' || !wanted) return;
      ask.returnValue = '';
      outcome.className = 'note';
      outcome.textContent = 'Sending …';
      try {
        const answer = await fetch(wanted.to, {
          method: 'POST', body: JSON.stringify(wanted.body),
          headers: {'Content-Type': 'application/json', 'X-Jicoo-Page': '1'},
        });
        const told = await answer.json();
        outcome.className = answer.ok ? 'note good' : 'note bad';
        outcome.textContent = told.said || told.detail || `Refused (${answer.status}).`;
      } catch {
        outcome.className = 'note bad';
        outcome.textContent = 'Airflow does not answer: it is not known whether this was written. Reload the page.';
      }
      outcome.focus();
    });
  }
})();
