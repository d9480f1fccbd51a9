// Ratchet in the browser: people rate answers, and how answers are used is counted. See docs/browser.md
(() => {
  "use strict";
  if (window.Ratchet) return;
  const script = document.currentScript ?? document.querySelector('script[src*="ratchet.js"]');
  const options = script.dataset;
  const service = options.url?.replace(/\/*$/, "/") ?? script.src;
  const url = new URL("v1/feedback", new URL(service, document.baseURI)).href;
  const ANSWER = '[data-ratchet-token]:not([data-ratchet-token=""])';
  const OPT_OUT = "ratchet-opt-out";

  const labels = {
    rate: "Rate this answer",
    up: "Helpful",
    down: "Not helpful",
    stars: "Stars",
    star: "{n} of 5 stars",
    edit: "Correct",
    editBox: "What should the answer say?",
    comment: "Comment",
    commentBox: "What should we know about this answer?",
    send: "Send",
    cancel: "Cancel",
    thanks: "Thank you",
    failed: "This could not be sent. Please try again.",
  };
  for (const name in labels) {
    labels[name] = options["label" + name[0].toUpperCase() + name.slice(1)] ?? labels[name];
  }

  // What people send themselves does not depend on it.
  let consented = options.consent !== "required";
  let optedOut = false;

  function storage(act) {
    try {
      return act(localStorage);
    } catch {} // Blocked: the choice lasts as long as the page does.
  }

  function mayCount() {
    const refused = optedOut || navigator.globalPrivacyControl || navigator.doNotTrack === "1";
    return consented && !refused && !storage((kept) => kept.getItem(OPT_OUT));
  }

  function consent(given = true) {
    consented = given;
    recount();
  }

  function optOut(out = true) {
    optedOut = out;
    storage((kept) => (out ? kept.setItem(OPT_OUT, 1) : kept.removeItem(OPT_OUT)));
    recount();
  }

  // One record for each token, however often its element is drawn anew.
  const answers = new Map();
  const attached = new WeakMap();
  const bars = new WeakMap();

  function find(target) {
    if (target.closest) return attach(target.closest(ANSWER));
    for (const answer of answers.values()) if (answer.id === target) return answer;
    if (!answers.has(target)) {
      answers.set(target, { token: target, ms: 0, since: 0, signals: {}, queue: Promise.resolve() });
    }
    return answers.get(target);
  }

  const unsent = new Set();

  function write({ token, id }, fields) {
    const random = crypto.getRandomValues(new Uint8Array(16)); // Works on plain http too.
    const event_id = Array.from(random, (byte) => byte.toString(36)).join("");
    return JSON.stringify({ token, id, key: options.key, event_id, ...fields });
  }

  function post(body) {
    const headers = { "Content-Type": "text/plain" }; // No preflight.
    const keepalive = new Blob([body]).size < 60000;
    const signal = AbortSignal.timeout(10000);
    return fetch(url, { method: "POST", body, headers, keepalive, signal, credentials: "omit" });
  }

  function beacon(body) {
    if (!navigator.sendBeacon?.(url, new Blob([body], { type: "text/plain" }))) post(body).catch(() => {});
  }

  async function deliver(body, { el }) {
    let detail, ok;
    for (const wait of [0, 500, 2000, 6000]) {
      await new Promise((resolve) => setTimeout(resolve, wait));
      const response = await post(body).catch(() => ({ status: 0 }));
      const { status } = response;
      ok = response.ok;
      detail = { status, ...(await response.json?.().catch(() => {})) };
      if (ok || (status >= 400 && status < 500 && status !== 429)) break;
    }
    unsent.delete(body);
    const event = new CustomEvent(ok ? "ratchet:sent" : "ratchet:failed", { bubbles: true, composed: true, detail });
    (el?.isConnected ? el : document).dispatchEvent(event);
    return ok ? detail : null;
  }

  function rate(target, fields) {
    const answer = find(target);
    const body = write(answer, fields);
    unsent.add(body);
    answer.touched = true;
    return (answer.queue = answer.queue.then(() => deliver(body, answer)));
  }

  function settle(answer, seen = answer.seen) {
    const now = performance.now();
    if (answer.since) answer.ms += now - answer.since;
    answer.seen = seen;
    answer.since = seen && !document.hidden && mayCount() ? now : 0;
  }

  function recount() {
    for (const answer of answers.values()) {
      settle(answer);
      if (!mayCount()) Object.assign(answer, { ms: 0, signals: {} });
    }
  }

  function wanted(answer, name) {
    const names = answer.el?.dataset.ratchetSignals ?? options.signals;
    return names?.includes(name) ?? true;
  }

  function count(answer, name, value = true) {
    answer.touched = true;
    if (mayCount() && wanted(answer, name)) answer.signals[name] = value;
  }

  function flush() {
    recount();
    for (const answer of answers.values()) {
      const signals = { ...answer.signals };
      const ms = Math.round(answer.ms / 100) * 100;
      if (ms && wanted(answer, "dwell")) signals.dwell_ms = ms;
      const abandoned = ms > 0 && ms < 3000 && !answer.touched && wanted(answer, "abandon");
      if (abandoned || answer.abandoned) signals.abandon = abandoned;
      answer.abandoned ||= abandoned;
      const said = JSON.stringify(signals);
      if (said === (answer.said ?? "{}") || !mayCount()) continue;
      answer.said = said;
      beacon(write(answer, { signals }));
    }
  }

  function leave() {
    hurried.forEach((commit) => commit());
    unsent.forEach(beacon); // The same event id twice is one event.
    flush();
  }

  function countCopied(answer, { length }) {
    if (length) count(answer, "copy", (answer.signals.copy ?? 0) + length);
  }

  function copied() {
    const selection = getSelection();
    const range = selection.rangeCount && selection.getRangeAt(0);
    for (const answer of range ? answers.values() : []) {
      const { el } = answer;
      if (!el?.isConnected || !range.intersectsNode(el)) continue;
      const part = range.cloneRange();
      if (!el.contains(part.startContainer)) part.setStart(el, 0);
      if (!el.contains(part.endContainer)) part.setEnd(el, el.childNodes.length);
      countCopied(answer, part.toString());
    }
  }

  function clicked(event) {
    const node = event.composedPath()[0].closest?.("[data-ratchet-regenerate], [data-ratchet-copy]");
    if (!node) return;
    const { ratchetRegenerate, ratchetCopy } = node.dataset;
    const answer = find(ratchetRegenerate || ratchetCopy || node);
    if (ratchetCopy === undefined) count(answer, "regenerate");
    else countCopied(answer, textOf(answer.el));
  }

  // Seen is what shows at least half of itself, or fills half of the window.
  const viewport = new IntersectionObserver(
    (entries) => {
      for (const { target, intersectionRatio, intersectionRect } of entries) {
        settle(attached.get(target), intersectionRatio >= 0.5 || intersectionRect.height >= innerHeight / 2);
      }
    },
    { threshold: Array.from({ length: 21 }, (_, step) => step / 20) },
  );

  const style = new CSSStyleSheet();
  style.replaceSync(`
    .rate { display: flex; flex-wrap: wrap; align-items: center; gap: 6px; margin-top: 8px;
      font: max(14px, .875rem)/1.4 system-ui, sans-serif; text-align: start; white-space: normal }
    button, textarea, input { font: inherit; color: inherit; background: none; border-radius: 6px }
    button, textarea { border: 1px solid color-mix(in srgb, currentColor 50%, transparent) }
    button { min-width: 32px; min-height: 32px; padding: 2px 10px; cursor: pointer }
    button:hover, [aria-pressed=true], [type=submit] { border-color: currentColor }
    :focus-visible { outline: 2px solid currentColor; outline-offset: 2px }
    .up, .down { display: grid; place-items: center; padding: 2px 5px }
    .down svg { rotate: 180deg }
    svg { width: 18px; fill: none; stroke: currentColor; stroke-width: 1.7; stroke-linejoin: round }
    [aria-pressed=true] svg { fill: currentColor }
    .stars { display: flex }
    input { appearance: none; margin: 0; font-size: 22px; line-height: 32px; padding: 0 3px; cursor: pointer }
    input::before { content: "\\2606" }
    input:checked::before, input:has(~ :checked)::before { content: "\\2605" }
    form { width: 100%; max-width: 40rem; display: grid; gap: 6px }
    form[hidden] { display: none }
    textarea { padding: 6px 8px; resize: vertical }
    form div { display: flex; gap: 6px }
    @media print { .rate { display: none } }`);

  function make(tag, given, ...children) {
    const node = Object.assign(document.createElement(tag), given);
    node.append(...children);
    return node;
  }

  function thumbIcon() {
    const [svg, path] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.ariaHidden = true;
    path.setAttribute("d", "M3 10h4v11H3zm4 1 4-8c2 0 3 1 3 3l-1 4h6c1 0 2 1 2 2l-2 7c0 1-1 2-2 2H7");
    svg.append(path);
    return svg;
  }

  function textOf(el) {
    return (el.querySelector("[data-ratchet-text]") ?? el).innerText.trim();
  }

  // From 0 to 1: how much of the text lies between the first and the last change.
  function shareChanged(before, after) {
    const least = Math.min(before.length, after.length);
    let same = 0;
    let tail = 0;
    while (same < least && before[same] === after[same]) same++;
    while (same + tail < least && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
    return +(1 - (same + tail) / Math.max(before.length, after.length)).toFixed(3);
  }

  const hurried = new Set();

  function toolbar(el) {
    const widgets = el.dataset.ratchetWidgets ?? options.widgets ?? "thumbs edit comment";
    const status = make("span", { role: "status" });
    const bar = make("div", { className: "rate", role: "group", ariaLabel: labels.rate });
    const boxes = {};

    async function send(fields) {
      status.textContent = "";
      const sent = await rate(el, fields);
      status.textContent = sent ? labels.thanks : labels.failed;
      return sent;
    }

    function thumbs() {
      let chosen;
      const show = (value) => buttons.forEach((button) => (button.ariaPressed = button.value === value));
      const buttons = ["up", "down"].map((value) => {
        const onclick = async () => {
          show(value);
          if (value === "down") boxes.comment?.(true);
          if (await send({ thumb: value })) chosen = value;
          show(chosen);
        };
        const given = { value, className: value, ariaLabel: labels[value], title: labels[value], onclick };
        return make("button", { ariaPressed: false, ...given }, thumbIcon());
      });
      return buttons;
    }

    function stars() {
      let timer;
      const commit = async () => {
        clearTimeout(timer);
        const radio = radios.find((each) => each.checked);
        if (hurried.delete(commit) && !(await send({ stars: +radio.value }))) radio.checked = false;
      };
      const onchange = () => {
        clearTimeout(timer); // Arrow keys pass other stars on their way.
        timer = setTimeout(commit, 800);
        hurried.add(commit);
      };
      const radios = [1, 2, 3, 4, 5].map((value) => {
        const label = labels.star.replace("{n}", value);
        return make("input", { type: "radio", name: "stars", value, onchange, ariaLabel: label, title: label });
      });
      return make("div", { className: "stars", role: "radiogroup", ariaLabel: labels.stars }, ...radios);
    }

    function box(kind) {
      const text = make("textarea", { id: kind, rows: 4, maxLength: 100000, required: true });
      const show = (open) => {
        if (open) for (const other in boxes) boxes[other](false);
        form.hidden = !open;
        opener.ariaExpanded = open;
        if (open && kind === "edit") text.value ||= textOf(el);
      };
      const close = () => {
        text.value = "";
        show(false);
        opener.focus();
      };
      const onsubmit = async (event) => {
        event.preventDefault();
        const value = text.value.trim();
        const before = kind === "edit" ? textOf(el) : "";
        const corrected = { correction: value, signals: { edit: shareChanged(before, value) } };
        const fields = kind === "edit" ? corrected : { comment: value };
        if (!value || value === before || (await send(fields))) close();
      };
      const onkeydown = (event) => {
        event.stopPropagation(); // The page may have shortcuts.
        if (event.key === "Escape") close();
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
      };
      const onclick = () => {
        show(form.hidden);
        if (!form.hidden) text.focus();
      };
      const opener = make("button", { onclick, ariaExpanded: false }, labels[kind]);
      bar.append(opener);
      const submit = make("button", { type: "submit" }, labels.send);
      const row = make("div", {}, submit, make("button", { type: "button", onclick: close }, labels.cancel));
      const label = make("label", { htmlFor: kind }, labels[kind + "Box"]);
      const form = make("form", { hidden: true, onsubmit, onkeydown }, label, text, row);
      boxes[kind] = show;
      return form;
    }

    if (widgets.includes("thumbs")) bar.append(...thumbs());
    if (widgets.includes("stars")) bar.append(stars());
    const forms = ["edit", "comment"].filter((kind) => widgets.includes(kind)).map(box);
    bar.append(status, ...forms);
    return bar;
  }

  function attach(el, given = {}) {
    for (const name in given) el.setAttribute("data-ratchet-" + name, given[name]);
    const { ratchetToken, ratchetId } = el.dataset;
    const before = attached.get(el);
    if (before?.token === ratchetToken) return before;
    if (before) settle(before, false);
    const answer = Object.assign(find(ratchetToken), { id: ratchetId, el });
    attached.set(el, answer);
    viewport.unobserve(el);
    viewport.observe(el);
    draw(el);
    return answer;
  }

  // In a shadow root with a slot, so that the toolbar stays when the page replaces the text.
  function draw(el) {
    const bar = toolbar(el);
    let root;
    if (bars.has(el)) bars.get(el).replaceWith(bar);
    else if (bar.childElementCount === 1) return;
    else {
      try {
        root = el.attachShadow({ mode: "open" });
        root.append(make("slot"));
      } catch {
        root = el.appendChild(make("div")).attachShadow({ mode: "open" }); // Such as li, td and pre.
      }
      root.adoptedStyleSheets = [style];
      root.append(bar);
    }
    bars.set(el, bar);
  }

  function scan(node) {
    if (node.matches?.(ANSWER)) attach(node);
    node.querySelectorAll?.(ANSWER).forEach((el) => attach(el));
  }

  let started;

  function start() {
    if (started) return;
    started = true;
    const on = (type, act) => addEventListener(type, act, true);
    new MutationObserver((changes) => {
      for (const { type, target, addedNodes } of changes) (type === "attributes" ? [target] : addedNodes).forEach(scan);
    }).observe(document, { childList: true, subtree: true, attributeFilter: ["data-ratchet-token"] });
    scan(document);
    on("copy", copied);
    on("click", clicked);
    on("pointerdown", (event) => {
      for (const node of event.composedPath()) if (attached.has(node)) attached.get(node).touched = true;
    });
    on("input", () => answers.forEach((answer) => (answer.touched ||= answer.seen)));
    on("visibilitychange", () => (document.hidden ? leave() : recount()));
    on("pagehide", leave);
    document.dispatchEvent(new Event("ratchet:ready"));
  }

  const signal = (target, name, value) => count(find(target), name, value);
  window.Ratchet = { rate, attach, signal, flush, consent, optOut, counting: mayCount, labels };
  // Deferred scripts after this one can still set labels and consent.
  if (document.readyState === "complete") start();
  for (const type of ["DOMContentLoaded", "load"]) addEventListener(type, start);
})();
