// Controls, a picture, a status line. The picture is SVG text that the kernel (or a page of precomputed frames) sends; here it
// is placed, and what a hand does is sent back. One request is under way at most; later moves wait, merged into one.

let count = 0;

// The name of a setting, as the kernel rounds: a picture depends on the values alone.
function keyOf(values) {
  return JSON.stringify(Object.entries(values).sort(), (_, value) => typeof value === "number" ? Math.round(value * 1e9) : value);
}

function shown(spec, value) {
  if (spec.options) return spec.options[value] ?? value;
  const digits = Math.max(0, Math.ceil(-Math.log10(spec.step) - 1e-9));
  return Number(value).toFixed(digits);
}

// A label, a native input that the keyboard moves, and the value. A move calls `changed`, the keyboard at a slider `near`.
function control(spec, changed, near) {
  const id = `explorer-${unique}-${count++}`;
  const text = element("output", { for: id });
  let input;
  if (spec.kind === "choice") {
    input = element("select", { id }, ...spec.options.map((name) => element("option", { value: name }, name)));
    input.addEventListener("change", () => changed(input.value));
  } else if (spec.kind === "toggle") {
    input = element("input", { id, type: "checkbox" });
    input.addEventListener("change", () => changed(input.checked));
  } else {
    input = element("input", { id, type: "range", min: spec.low, max: spec.high, step: spec.step });
    let keys = false;
    input.addEventListener("keydown", () => { keys = true; });
    input.addEventListener("pointerdown", () => { keys = false; });
    input.addEventListener("focus", () => { if (input.matches(":focus-visible")) near(); });
    input.addEventListener("input", () => { show(Number(input.value)); changed(Number(input.value), keys); });
  }
  function show(value) {
    if (spec.kind === "toggle") { input.checked = value; return; }
    input.value = value;
    if (spec.kind === "slider") { text.textContent = shown(spec, value); input.setAttribute("aria-valuetext", shown(spec, value)); }
  }
  function end(high) { input.max = high; }
  input.setAttribute(ownKeys, "true");
  const label = element("label", { for: id }, spec.label);
  return { row: element("div", { class: `explorer-control explorer-${spec.kind}` }, label, input, text), show, end };
}

function render({ model, el }) {
  const view = element("div", { class: "explorer-view" });
  const status = element("div", { class: "explorer-status", role: "status", "aria-live": "polite" });
  const form = element("div", { class: "explorer-controls" });
  const kept = new Map(); // pictures by the name of their setting
  let seen, painted; // name and text of what is seen
  let pending = null; // chosen, not answered yet
  let waiting = false;
  let later = null;

  function settle() {
    if (later) { const next = later; later = null; next(); } else { pending = null; showValues(); }
  }

  function send(name, value) {
    if (waiting) { later = () => send(name, value); return; }
    if (name === "values" && keyOf(value) === keyOf(model.get("values"))) { settle(); return; } // back where it was
    waiting = true;
    model.set(name, value);
    model.save_changes();
  }

  function move(name, value, keys) {
    pending = { ...(pending ?? model.get("values")), [name]: value };
    const key = keyOf(pending);
    const frame = kept.get(key);
    if (frame) paint(frame, key, `${model.get("frame")}.${count++}`);
    model.set("by_key", keys);
    send("values", pending);
  }

  const controls = {};
  for (const spec of model.get("controls")) {
    if (spec.kind === "kept") continue; // for clicks
    const made = control(spec, (value, keys) => move(spec.name, value, !!keys), () => model.send?.({ near: spec.name }));
    form.append((controls[spec.name] = made).row);
  }

  function showValues() {
    for (const [name, high] of Object.entries(model.get("ends") ?? {})) controls[name]?.end(high);
    for (const [name, value] of Object.entries(model.get("values"))) controls[name]?.show(value);
  }

  // Marks to click are one stop of the tab key; arrows go from one to the next.
  let current = null; // key of the mark with the focus

  function offerHits(focus) {
    const hits = [...view.querySelectorAll(".hit")];
    if (!hits.length) return;
    view.querySelector("svg").setAttribute("role", "group");
    for (const hit of hits) {
      hit.setAttribute("tabindex", "-1");
      hit.setAttribute("role", "button");
      hit.setAttribute("aria-label", hit.querySelector("title")?.textContent ?? hit.dataset.key);
      hit.setAttribute(ownKeys, "true");
    }
    const chosen = hits.find((hit) => hit.dataset.key === current) ?? hits[0];
    chosen.setAttribute("tabindex", "0");
    if (focus) chosen.focus();
  }

  function paint(frame, key, number) {
    if (frame.picture !== painted) {
      const focus = view.contains(document.activeElement);
      view.innerHTML = painted = frame.picture;
      offerHits(focus);
    }
    status.textContent = frame.status;
    seen = key;
    el.dataset.frame = number;
  }

  function keep(key, frame) {
    kept.set(key, frame);
    if (kept.size > 100) kept.delete(kept.keys().next().value);
  }

  // The kernel has drawn; shown, unless a hand went on to a picture that was here.
  function draw() {
    const key = keyOf(model.get("values"));
    const frame = { picture: model.get("picture"), status: model.get("status") };
    const same = key === seen && frame.picture === painted && frame.status === status.textContent;
    if (model.get("lasting") !== false) keep(key, frame);
    if (!same && (key === seen || !pending || keyOf(pending) !== seen)) paint(frame, key, model.get("frame"));
    waiting = false;
    settle();
  }

  function place(event) {
    const svg = view.querySelector("svg");
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return { x: at.x, y: at.y };
  }

  function act(kind, hit, event) { send("event", { kind, key: hit.dataset.key, ...(event ? place(event) : {}), count: count++ }); }

  let held = null;
  view.addEventListener("pointerdown", (event) => {
    const hit = event.target.closest?.(".hit");
    if (!hit) return;
    held = hit.dataset;
    current = held.key;
    view.setPointerCapture?.(event.pointerId);
    act("click", hit, event);
  });
  view.addEventListener("pointermove", (event) => { if (held) act("drag", { dataset: held }, event); });
  view.addEventListener("pointerup", () => { held = null; });
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  view.addEventListener("keydown", (event) => {
    const hit = event.target.closest?.(".hit");
    if (!hit) return;
    current = hit.dataset.key;
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); act("click", hit, null); }
    if (event.key in steps) {
      event.preventDefault();
      const hits = [...view.querySelectorAll(".hit")];
      current = hits[(hits.indexOf(hit) + steps[event.key] + hits.length) % hits.length].dataset.key;
      offerHits(true);
    }
  });

  model.on("change:frame", draw);
  model.on("msg:custom", (sent) => { if (sent.forget) kept.clear(); else keep(keyOf(sent.values), sent); });
  el.classList.add("explorer");
  if (form.children.length > 8) form.classList.add("explorer-many");
  el.append(form, view, status);
  draw();
}

export default { render };
