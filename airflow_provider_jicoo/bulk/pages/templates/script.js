(() => {
  const root = document.documentElement;
  const framed = () => { try { return parent !== window && parent.document.documentElement; } catch { return null; } };
  const theme = () => {
    const outer = framed();
    let chosen = null;
    if (outer) {
      chosen = outer.classList.contains('dark') ? 'dark' : outer.classList.contains('light') ? 'light' : outer.dataset.theme;
    } else {
      try { chosen = localStorage.getItem('theme'); } catch { /* no storage, no choice */ }
    }
    if (chosen === 'dark' || chosen === 'light') root.dataset.theme = chosen; else delete root.dataset.theme;
  };
  theme();
  const outer = framed();
  if (outer) {
    new MutationObserver(theme).observe(outer, {attributes: true, attributeFilter: ['class', 'data-theme']});
  } else {
    addEventListener('storage', theme);
  }

  const box = document.querySelector('#search');
  if (box) {
    const rows = [...document.querySelectorAll('#wrong tbody tr')];
    box.addEventListener('input', () => {
      const wanted = box.value.toLowerCase();
      let found = 0;
      for (const row of rows) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
        found += !row.hidden;
      }
      document.querySelector('#found').textContent = `${found} of ${rows.length}`;
    });
  }

  // Whoever signs in comes back to this page.
  document.querySelectorAll('a[data-back]').forEach((each) => { each.search = `?next=${encodeURIComponent(location.pathname)}`; });

  document.querySelectorAll('[data-needs-script]').forEach((each) => { each.hidden = false; });
})();
