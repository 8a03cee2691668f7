// A page that refreshes itself leaves when its session has ended, but not while somebody has typed into it:
// what they send then is kept for them until they have signed in again.
(() => {
  let typed = false;
  document.addEventListener("input", (event) => { typed = typed || Boolean(event.target.closest("form[method=post]")); });
  document.addEventListener("submit", () => { typed = false; });
  document.addEventListener("htmx:config:request", (event) => {
    if (typed) event.detail.ctx.request.headers["Presente-Typed"] = "yes";
  });
})();
