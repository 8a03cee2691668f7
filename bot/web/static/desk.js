// What makes the desk quicker. Every page works without it.
(() => {
  // GSM 03.38: one letter outside it turns the whole text into UCS-2, with shorter parts.
  const BASIC = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
  const DOUBLE = "^{}\\[~]|€\f";

  function segments(text) {
    let units = 0;
    let gsm = true;
    for (const letter of text) {
      if (BASIC.includes(letter)) units += 1;
      else if (DOUBLE.includes(letter)) units += 2;
      else { gsm = false; break; }
    }
    if (!gsm) units = text.length;
    const [alone, each] = gsm ? [160, 153] : [70, 67];
    return units <= alone ? 1 : Math.ceil(units / each);
  }

  for (const note of document.querySelectorAll("[data-count-for]")) {
    const box = document.getElementById(note.dataset.countFor);
    const before = note.textContent;
    const say = () => {
      const parts = segments(box.value);
      note.textContent = box.value
        ? `${[...box.value].length} characters, ${parts} ${parts === 1 ? "text" : "texts"} to pay for`
        : before;
    };
    box.addEventListener("input", say);
    say();
  }

  // A second click while the first is on its way sends nothing again.
  for (const form of document.querySelectorAll("form[data-once]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
    });
  }
  // A page that comes back from the browser's memory may be used again.
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-once]")) delete form.dataset.sent;
  });

  // The newest is at the bottom: start there, as on a phone, unless somebody came for a part of the page.
  const talk = document.querySelector("#talk > .entries");
  if (talk && !location.hash) {
    const inside = document.getElementById("talk");
    inside.scrollTop = inside.scrollHeight;
  }
  document.addEventListener("htmx:before:swap", () => {
    const inside = document.getElementById("talk");
    if (inside) inside.dataset.atEnd = inside.scrollHeight - inside.scrollTop - inside.clientHeight < 60 ? "yes" : "";
  });
  document.addEventListener("htmx:after:settle", () => {
    const inside = document.getElementById("talk");
    if (inside && inside.dataset.atEnd) inside.scrollTop = inside.scrollHeight;
  });
})();
