// An explorer in a browser: controls, a picture, a status line. The picture is SVG text that the kernel (or a page of
// precomputed frames) sends; here it is only placed, and what a hand does is sent back. At most one request is under way:
// while the answer is awaited, later moves are merged into one.

let count = 0;

function shown(spec, value) {
  if (spec.options) return spec.options[value] ?? value;
  const digits = Math.max(0, Math.ceil(-Math.log10(spec.step) - 1e-9));
  return Number(value).toFixed(digits);
}

// One control: a label, a native input that the keyboard moves, and the value in text. `changed` is called with each move.
function control(spec, changed) {
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
    input.addEventListener("input", () => { show(Number(input.value)); changed(Number(input.value)); });
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
  let waiting = false;
  let later = null;

  function send(name, value) {
    if (waiting) { later = () => send(name, value); return; }
    waiting = true;
    model.set(name, value);
    model.save_changes();
  }

  const values = () => ({ ...(pending ?? model.get("values")) });
  let pending = null;
  const controls = {};
  for (const spec of model.get("controls")) {
    if (spec.kind === "kept") continue; // moved by clicks alone
    controls[spec.name] = control(spec, (value) => { pending = { ...values(), [spec.name]: value }; send("values", pending); });
    form.append(controls[spec.name].row);
  }

  function showValues() {
    for (const [name, high] of Object.entries(model.get("ends") ?? {})) controls[name]?.end(high);
    for (const [name, value] of Object.entries(model.get("values"))) controls[name]?.show(value);
  }

  // Marks that can be clicked are one stop of the tab key; arrows go from one to the next.
  let current = null; // key of the mark that has or had the focus

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

  function draw() {
    const focus = view.contains(document.activeElement);
    view.innerHTML = model.get("picture");
    offerHits(focus);
    status.textContent = model.get("status");
    el.dataset.frame = model.get("frame");
    waiting = false;
    if (later) { const next = later; later = null; next(); } else { pending = null; showValues(); }
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
  el.classList.add("explorer");
  if (form.children.length > 8) form.classList.add("explorer-many"); // short sliders, so that all fit above the picture
  el.append(form, view, status);
  draw();
}

export default { render };
