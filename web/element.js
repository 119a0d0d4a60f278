// JupyterLab's arrow keys move between cells unless the focused element itself says that it wants them.
const ownKeys = "data-lm-suppress-shortcuts";

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

