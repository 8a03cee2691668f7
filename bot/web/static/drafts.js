// What somebody has typed to a family stays in their browser until it is sent, they sign out, or half a day has passed.
(() => {
  const box = document.querySelector("[data-draft]");
  const mine = (name) => name.startsWith("draft:");
  const HALF_A_DAY = 12 * 60 * 60 * 1000;

  const forget = (which) => {
    for (const name of Object.keys(localStorage)) if (mine(name) && which(name)) localStorage.removeItem(name);
  };
  const read = (name) => {
    try { return JSON.parse(localStorage.getItem(name)) || {}; } catch { return {}; }
  };
  try {
    forget((name) => !(Date.now() - read(name).at < HALF_A_DAY));
  } catch { return; } // A browser that keeps nothing has nothing to give back.

  for (const form of document.querySelectorAll('form[action$="/sign-out"]')) {
    form.addEventListener("submit", () => forget(() => true));
  }
  if (!box) return;

  const name = `draft:${box.dataset.draft}`;
  const address = new URL(location.href);
  if (address.searchParams.has("sent")) {
    localStorage.removeItem(name);
    // A reload must not throw away what is typed next.
    address.searchParams.delete("sent");
    history.replaceState(null, "", address);
  }
  const put = (words) => {
    box.value = words;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const kept = read(name).words;
  if (kept && !box.value) put(kept);
  else if (kept && kept !== box.value) {
    // A ready reply stands in the box: what was typed before is one click away, not lost.
    const back = document.createElement("button");
    back.type = "button";
    back.className = "btn btn-sm btn-link";
    back.textContent = "Put back what I had typed";
    back.addEventListener("click", () => { put(kept); back.remove(); box.focus(); });
    box.after(back);
  }
  box.addEventListener("input", () => {
    if (box.value) localStorage.setItem(name, JSON.stringify({ words: box.value, at: Date.now() }));
    else localStorage.removeItem(name);
  });
})();
