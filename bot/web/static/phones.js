// The simulated phones: suggestions fill the box, and a thread shows its end, as on a phone.
(() => {
  const toEnd = (root) => {
    for (const row of root.querySelectorAll(".suggestions")) row.hidden = false;
    for (const thread of root.querySelectorAll(".thread")) thread.scrollTop = thread.scrollHeight;
  };

  document.addEventListener("click", (event) => {
    const suggestion = event.target.closest("[data-fill]");
    if (!suggestion) return;
    const box = document.getElementById(suggestion.dataset.fill);
    box.value = suggestion.textContent.trim();
    box.focus();
  });

  document.addEventListener("htmx:after:settle", () => toEnd(document));
  toEnd(document);
})();
