// The strip of the circuit breaker before payments: one band for each time it spent in a state, up to now at the right edge. The times
// are the server's.

import { counted } from "./text.js";

const SPAN = 2 * 60 * 1000; // in milliseconds: what the strip shows
const HEIGHT = 28; // in pixels
const THINNEST = 3; // a band of a moment is still seen
const STATES = ["closed", "half-open", "open"]; // later ones stand out against earlier ones

// instant is a time such as "2010-12-01T08:26:00.5Z" in milliseconds.
function instant(text) {
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new TypeError(`no time: ${text}`);
  return at;
}

// bands gives each period its place, from 0 to 1, of what lies within the span.
export function bands(status) {
  const now = instant(status.now);
  const began = now - SPAN;
  return status.history.map(({ state, since }, i) => {
    if (!STATES.includes(state)) throw new TypeError(`no state: ${state}`);
    const next = status.history[i + 1];
    const from = Math.max(instant(since), began);
    const until = next ? instant(next.since) : now;
    return { state, from: (from - began) / SPAN, until: (until - began) / SPAN };
  }).filter(({ until }) => until >= 0);
}

// describe says in words what the strip shows.
export function describe(status) {
  const says = {
    closed: "Payments are taken.",
    open: "Payments are away: orders are accepted and wait.",
    "half-open": "Payments are away: one order asks whether they are back.",
  }[status.breaker];
  if (!says) throw new TypeError(`no state: ${status.breaker}`);
  return `${says} The circuit breaker is ${status.breaker} and has opened ${counted(status.opened, "time")}.`;
}

// draw draws the strip into an svg element.
export function draw(drawing, status) {
  const width = drawing.clientWidth;
  const shown = bands(status).map(({ state, from, until }) => {
    const band = document.createElementNS(drawing.namespaceURI, "rect");
    const x = Math.min(from * width, width - THINNEST);
    for (const [name, value] of Object.entries({
      class: `band ${state}`, x, y: 0, width: Math.max((until - from) * width, THINNEST), height: HEIGHT,
    })) band.setAttribute(name, value);
    return { state, band };
  });
  shown.sort((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state)); // what is drawn later covers what was drawn before
  drawing.replaceChildren(...shown.map(({ band }) => band));
}
