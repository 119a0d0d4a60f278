// JupyterLab's arrow keys move between cells unless the focused element itself says that it wants them.
const ownKeys = "data-lm-suppress-shortcuts";

// Part of every id: a page loads this once for each of its widgets, and no two elements may share an id.
const unique = Math.random().toString(36).slice(2, 8);

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

