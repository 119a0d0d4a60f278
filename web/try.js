// Two places for photographs, or one: what is dropped goes to the kernel of this page and nowhere else.
const make = (tag, name, text = "") => Object.assign(document.createElement(tag), { className: name, textContent: text });

function place(model, side, label) {
  const box = make("label", "try-place");
  const picture = make("img", "try-picture");
  const input = Object.assign(make("input", "try-file"), { type: "file", accept: "image/*" });
  input.setAttribute("aria-label", label);
  picture.alt = "";
  box.append(picture, make("span", "try-label", label), input);
  const take = async (file) => {
    if (!file) return;
    URL.revokeObjectURL(picture.src);
    picture.src = URL.createObjectURL(file);
    picture.alt = file.name;
    model.send({ side, name: file.name }, undefined, [await file.arrayBuffer()]);
  };
  input.addEventListener("change", () => take(input.files[0]));
  const over = (on) => (event) => { event.preventDefault(); box.classList.toggle("try-over", on); };
  box.addEventListener("dragover", over(true));
  box.addEventListener("dragleave", over(false));
  box.addEventListener("drop", (event) => { over(false)(event); take(event.dataTransfer.files[0]); });
  return box;
}

function render({ model, el }) {
  const root = make("div", "try");
  const places = make("div", "try-places");
  const answer = make("p", "try-answer");
  const list = make("ol", "try-list");
  answer.setAttribute("role", "status");
  model.get("labels").forEach((label, side) => places.append(place(model, side, label)));
  const draw = () => {
    const { kind, sentence, lines } = model.get("result");
    root.dataset.kind = kind;
    answer.textContent = sentence;
    list.replaceChildren(...lines.map((line) => make("li", "", line)));
  };
  model.on("change:result", draw);
  draw();
  root.append(places, answer, list);
  el.append(root);
  return () => model.off("change:result", draw);
}

export default { render };
