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

  const cost = (note, parts) =>
    note.dataset.price ? `, about $${(parts * Number(note.dataset.price)).toFixed(2)}` : "";

  for (const note of document.querySelectorAll("[data-count-for]")) {
    const box = document.getElementById(note.dataset.countFor);
    const before = note.textContent;
    const say = () => {
      const parts = segments(box.value);
      note.textContent = box.value
        ? `${[...box.value].length} characters, ${parts} ${parts === 1 ? "text" : "texts"} to pay for${cost(note, parts)}`
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

  // What was opened beside the page closes again: Escape, or a click anywhere else.
  for (const opened of document.querySelectorAll("details[data-closes]")) {
    document.addEventListener("click", (event) => { if (!opened.contains(event.target)) opened.open = false; });
    opened.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !opened.open) return;
      opened.open = false;
      opened.querySelector("summary").focus();
    });
  }

  // A colleague learns that somebody writes here, while something stands in the box and was touched lately.
  const writing = document.getElementById("writing");
  const reply = document.getElementById("words");
  if (writing && reply) {
    let forget;
    reply.addEventListener("input", () => {
      writing.value = reply.value.trim() ? "yes" : "";
      clearTimeout(forget);
      forget = setTimeout(() => { writing.value = ""; }, 60000);
    });
  }

  // Danger cannot be missed in another tab: the title counts it, and whoever wants it hears it.
  const SOUND = "presente.sound";
  const title = document.title;
  let urgent = 0;
  let audio;
  const wanted = () => { try { return localStorage.getItem(SOUND) === "on"; } catch { return false; } };

  function ring() {
    audio = audio || new AudioContext();
    audio.resume().then(() => {
      for (const [at, height] of [[0, 880], [0.25, 660], [0.5, 880]]) {
        const tone = audio.createOscillator();
        const volume = audio.createGain();
        tone.frequency.value = height;
        volume.gain.setValueAtTime(0.25, audio.currentTime + at);
        volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + at + 0.22);
        tone.connect(volume).connect(audio.destination);
        tone.start(audio.currentTime + at);
        tone.stop(audio.currentTime + at + 0.23);
      }
    });
  }

  function count() {
    const shown = document.querySelector("[data-urgent]");
    const now = shown ? Number(shown.dataset.urgent) : urgent;
    if (now > urgent && wanted()) ring();
    urgent = now;
    // The queue's own title says it already, and more.
    if (!document.getElementById("queue")) document.title = urgent ? `(${urgent} NOW) ${title}` : title;
  }

  const sound = document.getElementById("sound");
  if (sound && "AudioContext" in window) {
    const say = () => {
      sound.setAttribute("aria-pressed", String(wanted()));
      sound.textContent = wanted() ? "Sound is on" : "Sound is off";
    };
    sound.hidden = false;
    say();
    sound.addEventListener("click", () => {
      const on = !wanted();
      try { localStorage.setItem(SOUND, on ? "on" : "off"); } catch { /* a browser that keeps nothing stays silent */ }
      say();
      if (on) ring();
    });
  }
  count();
  document.addEventListener("htmx:after:swap", count);

  // The newest is at the bottom: start there, as on a phone, unless somebody came for a part of the page.
  const talk = document.getElementById("talk");
  const cameFor = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (talk && !talk.contains(cameFor || null)) talk.scrollTop = talk.scrollHeight;
  document.addEventListener("htmx:before:swap", () => {
    const inside = document.getElementById("talk");
    if (inside) inside.dataset.atEnd = inside.scrollHeight - inside.scrollTop - inside.clientHeight < 60 ? "yes" : "";
  });
  document.addEventListener("htmx:after:settle", () => {
    const inside = document.getElementById("talk");
    if (inside && inside.dataset.atEnd) inside.scrollTop = inside.scrollHeight;
  });
})();
