// Two places for photographs, or one: what is dropped goes to the kernel of this page and nowhere else.
const PIECE = 4 * 2 ** 20; // bytes of a message: JupyterLab's server closes the connection at 10 MiB
const make = (tag, name, text = "") => Object.assign(document.createElement(tag), { className: name, textContent: text });

async function send(model, side, file, ask) { // ask: whether an answer is wanted, or another photograph follows
  const bytes = await file.arrayBuffer();
  const pieces = Math.max(1, Math.ceil(bytes.byteLength / PIECE));
  for (let piece = 0; piece < pieces; piece++) {
    const part = bytes.slice(piece * PIECE, (piece + 1) * PIECE);
    model.send({ side, piece, last: piece === pieces - 1, ask }, undefined, [part]);
  }
}

function place(label, several, take) {
  const box = make("label", "try-place");
  const picture = make("img", "try-picture");
  const name = make("span", "try-name");
  const input = Object.assign(make("input", "try-file"), { type: "file", accept: "image/*", multiple: several });
  input.setAttribute("aria-label", label);
  input.setAttribute("data-lm-suppress-shortcuts", "true"); // the Enter key is ours, not the notebook's
  picture.alt = "";
  picture.addEventListener("error", () => { picture.alt = ""; }); // no picture, or one that only the kernel can read
  box.append(picture, make("span", "try-label", label), name, input);
  const show = (file) => {
    URL.revokeObjectURL(picture.src);
    picture.src = URL.createObjectURL(file);
    picture.alt = file.name;
    name.textContent = name.title = file.name;
    input.setAttribute("aria-label", `${label}: ${file.name}`);
  };
  input.addEventListener("change", () => { take([...input.files]); input.value = ""; });
  const over = (on) => (event) => { event.preventDefault(); box.classList.toggle("try-over", on); };
  box.addEventListener("dragover", over(true));
  box.addEventListener("dragleave", over(false));
  box.addEventListener("drop", (event) => { over(false)(event); take([...event.dataTransfer.files]); });
  return { box, show };
}

function render({ model, el }) {
  const root = make("div", "try");
  const row = make("div", "try-places");
  const answer = make("p", "try-answer");
  const list = make("ol", "try-list");
  const labels = model.get("labels");
  const taken = new Set();
  answer.setAttribute("role", "status");
  const say = (kind, sentence, lines = []) => {
    root.dataset.kind = kind;
    answer.textContent = sentence;
    list.replaceChildren(...lines.map((line) => make("li", "", line)));
  };
  const draw = () => {
    const { kind, sentence, lines } = model.get("result");
    say(kind, sentence, lines);
  };
  const take = (side) => async (files) => { // several at once fill the places that follow
    const wanted = files.slice(0, labels.length).map((file, k) => [(side + k) % labels.length, file]);
    for (const [at, file] of wanted) {
      places[at].show(file);
      taken.add(at);
    }
    if (wanted.length) say("", taken.size < labels.length ? "And the other photograph." : "Looking …");
    for (const [k, [at, file]] of wanted.entries()) await send(model, at, file, k === wanted.length - 1);
  };
  const places = labels.map((label, side) => place(label, labels.length > 1, take(side)));
  model.on("change:answered", draw);
  draw();
  row.append(...places.map(({ box }) => box));
  root.append(row, answer, list);
  el.append(root);
  return () => model.off("change:answered", draw);
}

export default { render };
