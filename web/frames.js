// A model for explorer.js without a kernel: `state`, in the page, holds a frame for each combination of a few values.
const state = JSON.parse(document.getElementById("state").textContent);
const held = { ...state.start };
const listeners = [];

function nearest(name, value) {
  const grid = state.grid[name];
  if (typeof value !== "number") return grid.findIndex((other) => JSON.stringify(other) === JSON.stringify(value));
  return grid.reduce((best, other, i) => Math.abs(other - value) < Math.abs(grid[best] - value) ? i : best, 0);
}

function frameOf(values) {
  const found = state.frames[Object.keys(state.grid).map((name) => nearest(name, values[name])).join(" ")];
  return typeof found === "string" ? state.frames[found] : found; // a key: the same as an earlier one
}

function take(values) {
  const frame = frameOf(values);
  if (!frame) return;
  held.values = values;
  held.picture = frame[0].replace(/@(\d+)@/g, (found, i) => state.images[i]);
  held.status = frame[1];
  held.ends = frame[3];
  for (const [name, high] of Object.entries(held.ends)) values[name] = Math.min(values[name], high);
}

const model = {
  get: (name) => held[name],
  set: (name, value) => { held[name] = value; held.changed = name; },
  on: (name, listener) => { if (name === "change:frame") listeners.push(listener); },
  save_changes() {
    const clicked = held.changed === "event" && held.event.kind === "click";
    const jump = clicked ? frameOf(held.values)?.[2][held.event.key] : null;
    take({ ...held.values, ...jump });
    held.frame += 1;
    listeners.forEach((listener) => listener());
  },
};
take(held.values);
