// Keeps the page up to date: asks for the totals about every second while the page is in sight, and for the days when the totals
// have changed, a little more slowly. When the server is away it says so, keeps the last figures, and goes on by itself.

import * as breaker from "./breaker.js";
import { Chart } from "./chart.js";
import { count, counted, dayName, pounds, thousandths } from "./text.js";

// Times in milliseconds.
const EVERY = 1000; // between two requests for the totals
const CHART_EVERY = 3000; // between two requests for the days, at least
const AWAY_EVERY = 5000; // between two requests while the server is away, at most
const PATIENCE = 5000; // with one request

// Trouble is an error whose message is written for the reader of the page.
class Trouble extends Error {}

const element = (id) => document.getElementById(id);

const chart = new Chart(element("chart-drawing"), element("chart-cursor"), element("chart-tip"));

let timer = 0;
let asking = false;
let failures = 0;
let answeredAt = null;

// What is shown: the answer with the totals, the one that was current when the days were asked for, and the rows of those days.
let totals = { text: "", summary: null };
let days = { text: "", rows: [], shownAt: -Infinity };
let services = true; // until the server says that it runs none

async function get(path) {
  let answer;
  let text;
  try {
    answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    text = await answer.text();
  } catch {
    throw new Trouble("The server does not answer.");
  }
  if (answer.status === 204) return null;
  if (!answer.ok) throw new Trouble(`The server answers with an error (${answer.status}).`);
  return text;
}

// update asks for the totals, and for the days if they are behind, and shows them. One runs at a time; each starts the clock for
// the next. None runs while the page is out of sight.
async function update() {
  if (asking || document.hidden) return;
  asking = true;
  clearTimeout(timer);
  try {
    await updateTotals();
    await updateDays();
    await updateServices();
    failures = 0;
    answeredAt = new Date();
    showState("live", "Live", "");
  } catch (error) {
    failures++;
    showTrouble(error);
  } finally {
    asking = false;
    timer = setTimeout(update, failures > 0 ? Math.min(EVERY * 2 ** failures, AWAY_EVERY) : EVERY);
  }
}

async function updateTotals() {
  const text = await get("/api/reports/summary");
  if (text === totals.text) return;
  const summary = JSON.parse(text);
  showTotals(summary);
  totals = { text, summary };
}

async function updateDays() {
  if (!daysBehind() || performance.now() - days.shownAt < CHART_EVERY) return;
  const { text } = totals;
  const rows = JSON.parse(await get("/api/reports/days"));
  showDays(rows);
  days = { text, rows, shownAt: performance.now() };
}

// updateServices asks how payments fare, where the services run.
async function updateServices() {
  if (!services) return;
  const text = await get("/api/services");
  services = text !== null;
  if (services) showServices(JSON.parse(text));
}

// daysBehind reports whether the totals have changed since the days were asked for, or the days do not add up to them: the two are
// folded apart, and the days may have been the slower.
function daysBehind() {
  if (days.text !== totals.text) return true;
  let orders = 0;
  let net = 0n;
  for (const row of days.rows) {
    orders += row.orders;
    net += thousandths(row.net);
  }
  const { summary } = totals;
  return days.rows.length !== summary.days || orders !== summary.orders || net !== thousandths(summary.net);
}

function showTotals(summary) {
  const [whole, fraction] = pounds(summary.net).split(".");
  const decimals = document.createElement("span");
  decimals.textContent = `.${fraction}`;
  element("net").replaceChildren(whole, decimals);
  element("guest-net").textContent = pounds(summary.guest_net);
  element("guests").hidden = false;
  for (const cell of document.querySelectorAll("[data-count]")) {
    cell.textContent = count(summary[cell.dataset.count]);
  }
}

function showDays(rows) {
  element("chart").hidden = rows.length === 0;
  element("table").hidden = rows.length === 0;
  chart.show(rows);
  element("chart-summary").textContent = describe(rows) + (chart.breaks.length > 0 ? " Longer gaps are cut short at the dotted lines." : "");
  if (element("table").open) showTable(rows);
}

function showServices(status) {
  element("services").hidden = false;
  const words = breaker.describe(status);
  if (element("breaker-summary").textContent !== words) element("breaker-summary").textContent = words;
  breaker.draw(element("breaker"), status);
  for (const cell of document.querySelectorAll("[data-status]")) {
    cell.textContent = count(status[cell.dataset.status]);
  }
}

// describe says in words what the chart shows.
function describe(rows) {
  if (rows.length === 0) return "No trade yet. Place an order or import a file, and it shows here by itself.";
  const first = rows[0];
  const last = rows[rows.length - 1];
  const best = rows.reduce((a, b) => (thousandths(b.net) > thousandths(a.net) ? b : a));
  if (first === last) {
    return `${dayName(first.day)}: ${pounds(first.net)}, ${counted(first.orders, "order")}.`;
  }
  return `${counted(rows.length, "day")} with trade, ${dayName(first.day)} to ${dayName(last.day)}. ` +
    `The best was ${dayName(best.day)}: ${pounds(best.net)}, ${counted(best.orders, "order")}.`;
}

function showTable(rows) {
  element("table-rows").replaceChildren(...rows.map((row) => {
    const line = document.createElement("tr");
    for (const [name, text] of [["th", dayName(row.day)], ["td", count(row.orders)], ["td", pounds(row.net)]]) {
      const cell = document.createElement(name);
      cell.textContent = text;
      if (name === "th") cell.scope = "row";
      line.append(cell);
    }
    return line;
  }));
}

function showTrouble(error) {
  if (!(error instanceof Trouble)) console.error(error);
  const what = error instanceof Trouble ? error.message : "The server's answer makes no sense to this page.";
  const since = answeredAt ? ` The figures are from ${answeredAt.toLocaleTimeString("en-GB")}.` : "";
  showState("away", "Away", `${what}${since} This page tries again by itself.`);
}

// showState touches the page only when something changes, so that it is read aloud once.
function showState(state, label, notice) {
  document.documentElement.dataset.state = state;
  for (const [id, text] of [["state-text", label], ["notice", notice]]) {
    if (element(id).textContent !== text) element(id).textContent = text;
  }
  element("notice").hidden = notice === "";
}

element("table").addEventListener("toggle", () => {
  if (element("table").open) showTable(days.rows);
});
document.addEventListener("visibilitychange", update);
addEventListener("online", update);
update();
