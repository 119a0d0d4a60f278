// The parameters of a notebook as a form. What is typed goes to the kernel, which checks it and sends back the text of the
// cell; this page alone can see the cells, so it is here that the text is written into one.

let count = 0;

function fieldRow(field, changed) {
  const id = `form-${unique}-${count++}`;
  const input = field.options
    ? element("select", { id }, ...field.options.map((name) => element("option", { value: name }, name)))
    : element("input", { id, type: "text", spellcheck: "false", autocomplete: "off", placeholder: "None" });
  input.setAttribute(ownKeys, "true");
  if (field.said) input.setAttribute("aria-describedby", `${id}-said`);
  input.value = field.text;
  input.addEventListener(field.options ? "change" : "input", () => changed(field.name, input.value));
  const label = element("label", { for: id }, field.name);
  const row = element("div", { class: "form-row" }, label, input, element("span", { id: `${id}-said` }, field.said));
  row.dataset.words = `${field.name} ${field.said}`.toLowerCase();
  return { row, input };
}

// The editors of the notebook that this form is in, as CodeMirror keeps them at the elements.
function editors(el) {
  const contents = el.closest(".jp-Notebook, .jp-WindowedPanel")?.querySelectorAll(".cm-content") ?? [];
  return [...contents].map((content) => (content.cmTile ?? content.cmView)?.root?.view ?? content.cmView?.view).filter(Boolean);
}

// Only a cell that still reads as it ran is written over: what was typed there since is not lost.
function write(el, ran, text) {
  const found = editors(el).find((view) => view.state.doc.toString().trim() === ran.trim());
  if (!found) return false;
  found.dispatch({ changes: { from: 0, to: found.state.doc.length, insert: text } });
  return found.state.doc.toString() === text;
}

async function copy(source) {
  try { await navigator.clipboard.writeText(source.textContent); } catch {
    document.getSelection().selectAllChildren(source); // no clipboard without https: the selection is copied
    document.execCommand("copy");
  }
}

function render({ model, el }) {
  const rows = {};
  let typed = {};
  let written = model.get("ran"); // what the cell reads, as far as is known here
  const blocks = model.get("blocks").map(({ title, fields }) => {
    const told = element("small", {});
    const box = element("details", { class: "form-block" }, element("summary", {}, `${title} `, told));
    for (const field of fields) {
      rows[field.name] = fieldRow(field, (name, text) => {
        typed = { ...typed, [name]: text };
        model.set("typed", typed);
        model.save_changes();
      });
      box.append(rows[field.name].row);
    }
    return { box, told, names: fields.map((field) => field.name) };
  });

  const find = element("input", { type: "search", placeholder: "Find a parameter", "aria-label": "Find a parameter", [ownKeys]: "true" });
  find.addEventListener("input", () => {
    const wanted = find.value.trim().toLowerCase();
    for (const { box, names } of blocks) {
      const hits = names.filter((name) => rows[name].row.dataset.words.includes(wanted));
      for (const name of names) rows[name].row.hidden = !hits.includes(name);
      box.hidden = !hits.length;
      box.open = Boolean(wanted);
    }
  });

  const said = element("p", { class: "form-said", role: "status", "aria-live": "polite" });
  const cell = element("pre", {});
  const command = element("pre", {});
  const button = (name, act) => {
    const made = element("button", { type: "button", [ownKeys]: "true" }, name);
    made.addEventListener("click", act);
    return made;
  };
  const fill = button("Write into the parameters cell", () => {
    const done = write(el, written, model.get("cell"));
    if (done) written = model.get("cell");
    said.textContent = done ? "Written. Run the parameters cell and those below it."
      : "The cell could not be written: it was edited since it ran, or it is not in this window. Copy its text instead.";
  });
  const copies = [["Copy the cell", cell], ["Copy the command", command]].map(([name, source]) => button(name, async () => {
    await copy(source);
    said.textContent = "Copied.";
  }));

  function show() {
    const [changed, wrong, sentence] = [model.get("changed"), model.get("wrong"), model.get("sentence")];
    for (const [name, { row, input }] of Object.entries(rows)) {
      row.classList.toggle("form-changed", changed.includes(name));
      input.setAttribute("aria-invalid", String(name === wrong));
    }
    for (const { told, names } of blocks) {
      const moved = names.filter((name) => changed.includes(name)).length;
      told.textContent = `${names.length} parameters${moved ? `, ${moved} changed` : ""}`;
    }
    said.textContent = sentence;
    said.classList.toggle("form-wrong", !model.get("right"));
    for (const made of [fill, ...copies]) made.disabled = !model.get("right");
    [cell.textContent, command.textContent] = [model.get("cell"), model.get("command")];
    el.dataset.frame = model.get("frame");
  }

  model.on("change:frame", show);
  el.classList.add("parameter-form");
  const texts = [["The cell", cell], ["The command", command]].map(([name, text]) =>
    element("details", {}, element("summary", {}, name), text));
  el.append(find, ...blocks.map(({ box }) => box), said, element("div", { class: "form-buttons" }, fill, ...copies), ...texts);
  show();
  return () => model.off("change:frame", show);
}

export default { render };
