// The chart of sales by day: one bar for each day, drawn as SVG to the width there is. A pointer or the keyboard moves a cursor
// over the days; beside it stand the day, its net and its orders.

import { counted, date, dayName, monthName, pounds, roughly, thousandths, weekdayName } from "./text.js";

// Lengths in pixels.
const TOP = 12;
const BOTTOM = 40;
const LETTER = 8; // about the width of one on the axis
const WIDEST_BAR = 28;
const DOT = 3.5;
const TICK_APART = 64;
const LABEL_APART = 46; // on average

const FEWEST_SLOTS = 28; // so that the first days of trade do not fill the whole width
const LONGEST_GAP = 15; // in days; a longer one is cut short and marked
const PAGE = 28; // days a page key moves

const DAY = 24 * 60 * 60 * 1000;

export class Chart {
  // The drawing is an svg element, the cursor a slider that covers it, the tip an element with three paragraphs.
  constructor(drawing, cursor, tip) {
    this.drawing = drawing;
    this.cursor = cursor;
    this.tip = tip;
    this.days = [];
    this.breaks = [];
    this.chosen = -1;

    new ResizeObserver(() => this.draw()).observe(drawing);
    cursor.addEventListener("pointermove", (event) => this.point(event));
    cursor.addEventListener("pointerdown", (event) => this.point(event));
    cursor.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch") this.choose(-1); // a finger leaves when it is lifted: what it chose stays to be read
    });
    cursor.addEventListener("focus", () => {
      if (this.chosen < 0) this.choose(this.days.length - 1);
    });
    cursor.addEventListener("blur", () => this.choose(-1));
    cursor.addEventListener("keydown", (event) => this.press(event));
  }

  // show draws rows of {day, orders, net} in order of day. The chosen day stays chosen.
  show(rows) {
    const chosen = this.days[this.chosen]?.day;
    this.place(rows);
    this.cursor.setAttribute("aria-valuemax", rows.length);
    this.draw();
    this.choose(this.days.findIndex((day) => day.day === chosen));
  }

  // place gives each day its slot: one for each day of the calendar, but not for all of a long gap.
  place(rows) {
    this.days = [];
    this.breaks = [];
    let slot = 0;
    let before;
    for (const row of rows) {
      const at = date(row.day);
      const step = before ? Math.round((at - before) / DAY) : 0;
      if (step > LONGEST_GAP) this.breaks.push(slot + (LONGEST_GAP + 1) / 2);
      slot += Math.min(step, LONGEST_GAP);
      before = at;
      this.days.push({ ...row, at, slot, height: Number(thousandths(row.net)) / 1000 });
    }
  }

  // scale finds where slots and amounts lie.
  scale() {
    const { width, height } = this.drawing.getBoundingClientRect();
    const heights = this.days.map((day) => day.height);
    const least = Math.min(0, ...heights);
    const most = Math.max(least < 0 ? 0 : 1, ...heights);
    const step = niceStep((most - least) / Math.max(1, (height - TOP - BOTTOM) / TICK_APART));
    const ticks = [];
    for (let i = Math.ceil(least / step); i * step <= most; i++) ticks.push(i * step);
    const labels = ticks.map(roughly);
    const left = LETTER * Math.max(...labels.map((label) => label.length)) + 10;

    const slots = Math.max(FEWEST_SLOTS, this.days[this.days.length - 1].slot + 1);
    const pitch = (width - left) / slots;
    const perPound = (height - TOP - BOTTOM) / (most - least);
    return {
      width, height, left, pitch, ticks, labels,
      x: (slot) => left + slot * pitch,
      y: (amount) => TOP + (most - amount) * perPound,
    };
  }

  draw() {
    if (this.days.length === 0 || this.drawing.clientWidth === 0) {
      this.drawing.replaceChildren();
      return;
    }
    this.at = this.scale();
    const { width, height } = this.at;
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.line = this.shape("line", { class: "cursor", y1: TOP, y2: height - BOTTOM });
    this.dot = this.shape("circle", { class: "cursor", r: DOT });
    this.bars = this.drawBars();
    this.drawing.replaceChildren(
      ...this.drawAmounts(), ...this.drawCalendar(), ...this.drawBreaks(), this.line, ...this.bars, this.dot);
    this.mark();
  }

  drawAmounts() {
    const { ticks, labels, left, width, y } = this.at;
    return ticks.flatMap((tick, i) => [
      this.shape("line", { class: tick === 0 ? "zero" : "grid", x1: left, x2: width, y1: y(tick), y2: y(tick) }),
      this.shape("text", { class: "amount", x: 0, y: y(tick) }, labels[i]),
    ]);
  }

  drawBars() {
    const { pitch, x, y } = this.at;
    const gap = pitch < 1.5 ? 0 : Math.max(pitch * 0.2, 0.5);
    const wide = Math.min(pitch - gap, WIDEST_BAR);
    return this.days.map((day) => {
      const end = y(day.height);
      const size = Math.max(Math.abs(end - y(0)), day.height === 0 ? 0 : 1);
      return this.shape("rect", {
        class: day.height < 0 ? "bar below" : "bar",
        x: x(day.slot) + (pitch - wide) / 2,
        y: day.height < 0 ? y(0) : y(0) - size,
        width: wide,
        height: size,
      });
    });
  }

  // drawCalendar writes months below the bars, or days while there are few; each year once.
  drawCalendar() {
    const { pitch, x, width, height } = this.at;
    const foot = height - BOTTOM;
    const months = this.days[this.days.length - 1].slot >= 2 * 31;
    const stride = [1, 2, 3, 6, 12].find((n) => n * 30 * pitch >= LABEL_APART) ?? 12;
    const shapes = [];
    let month = -1;
    let year = -1;
    let free = -Infinity;
    for (const { at, slot } of this.days) {
      const before = month;
      month = at.getUTCFullYear() * 12 + at.getUTCMonth();
      if (months && (month === before || month % stride !== 0)) continue;
      const label = months ? monthName(at) : `${at.getUTCDate()} ${monthName(at)}`;
      const middle = x(slot + 0.5);
      const wide = LETTER * Math.max(label.length, "2010".length);
      const centre = Math.min(middle, width - wide / 2);
      if (centre - wide / 2 < free) continue;
      free = centre + wide / 2 + LETTER / 2;
      shapes.push(this.shape("line", { class: "grid", x1: middle, x2: middle, y1: foot, y2: foot + 5 }));
      shapes.push(this.shape("text", { class: "day", x: centre, y: foot + 18 }, label));
      if (at.getUTCFullYear() !== year) {
        year = at.getUTCFullYear();
        shapes.push(this.shape("text", { class: "day", x: centre, y: foot + 34 }, String(year)));
      }
    }
    return shapes;
  }

  drawBreaks() {
    const { x, height } = this.at;
    return this.breaks.map((slot) => this.shape("line", {
      class: "break", x1: x(slot), x2: x(slot), y1: TOP, y2: height - BOTTOM,
    }));
  }

  shape(name, attributes, text = "") {
    const shape = document.createElementNS(this.drawing.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    shape.textContent = text;
    return shape;
  }

  // point chooses the day nearest to the pointer.
  point(event) {
    if (this.days.length === 0) return;
    const slot = (event.clientX - this.drawing.getBoundingClientRect().left - this.at.left) / this.at.pitch - 0.5;
    let nearest = 0;
    this.days.forEach((day, i) => {
      if (Math.abs(day.slot - slot) < Math.abs(this.days[nearest].slot - slot)) nearest = i;
    });
    this.choose(nearest);
  }

  press(event) {
    const last = this.days.length - 1;
    const from = this.chosen < 0 ? last : this.chosen;
    const to = {
      ArrowLeft: from - 1, ArrowDown: from - 1, ArrowRight: from + 1, ArrowUp: from + 1,
      PageDown: from - PAGE, PageUp: from + PAGE, Home: 0, End: last,
    }[event.key];
    if (event.key === "Escape") this.choose(-1);
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.choose(Math.min(Math.max(to, 0), last));
  }

  // choose moves the cursor to a day; -1 takes it away.
  choose(index) {
    this.chosen = index;
    const day = this.days[index];
    if (day) {
      const texts = [`${weekdayName(day.day)} ${dayName(day.day)}`, pounds(day.net), counted(day.orders, "order")];
      texts.forEach((text, i) => (this.tip.children[i].textContent = text));
      this.cursor.setAttribute("aria-valuenow", index + 1);
      this.cursor.setAttribute("aria-valuetext", texts.join(", "));
    }
    this.mark();
  }

  // mark shows the cursor, and the tip beside it, on the side with room.
  mark() {
    const day = this.days[this.chosen];
    this.tip.hidden = !day;
    this.drawing.querySelector(".chosen")?.classList.remove("chosen");
    this.line?.classList.toggle("shown", Boolean(day));
    this.dot?.classList.toggle("shown", Boolean(day));
    if (!day || !this.at) return;
    const { x, y, width } = this.at;
    const middle = x(day.slot + 0.5);
    this.bars[this.chosen].classList.add("chosen");
    this.line.setAttribute("x1", middle);
    this.line.setAttribute("x2", middle);
    this.dot.setAttribute("cx", middle);
    this.dot.setAttribute("cy", y(day.height));
    const before = middle - this.tip.offsetWidth - 12;
    const after = middle + 12;
    const left = after + this.tip.offsetWidth <= width ? after : before;
    this.tip.style.left = `${Math.max(0, Math.min(left, width - this.tip.offsetWidth))}px`;
  }
}

// niceStep is the smallest of 1, 2, 2.5, 5, 10, 20, … that is not below an amount.
function niceStep(amount) {
  const power = 10 ** Math.floor(Math.log10(amount));
  return [1, 2, 2.5, 5, 10].map((n) => n * power).find((step) => step >= amount) ?? 10 * power;
}
