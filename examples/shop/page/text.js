// How figures and days are written. An amount of money stays a string of decimal digits: none that is shown has passed through a
// floating-point number.

const AMOUNT = /^(-?)(\d+)(?:\.(\d{1,3}))?$/;

const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
];

function group(digits) {
  return digits.replace(/\B(?=(\d{3})+$)/g, ",");
}

function split(amount) {
  const parts = AMOUNT.exec(amount);
  if (!parts) throw new TypeError(`no amount of money: ${amount}`);
  return { sign: parts[1], whole: parts[2], fraction: parts[3] ?? "" };
}

// pounds writes an amount with all its digits, at least two of them decimals: "-1234.5" is "−£1,234.50".
export function pounds(amount) {
  const { sign, whole, fraction } = split(amount);
  return `${sign && "−"}£${group(whole)}.${fraction.padEnd(2, "0")}`;
}

// thousandths is an amount as a whole number of thousandths of a pound, a BigInt.
export function thousandths(amount) {
  const { sign, whole, fraction } = split(amount);
  return BigInt(sign + whole + fraction.padEnd(3, "0"));
}

// count writes a whole number with its thousands apart.
export function count(number) {
  if (!Number.isSafeInteger(number)) throw new TypeError(`no count: ${number}`);
  return (number < 0 ? "−" : "") + group(String(Math.abs(number)));
}

// counted is a count with its noun: "1 order", "1,234 orders".
export function counted(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

// roughly writes a round number of pounds for an axis: "£500", "£50k", "£1.5m".
export function roughly(number) {
  const size = Math.abs(number);
  const [unit, suffix] = size >= 1e6 ? [1e6, "m"] : size >= 1e3 ? [1e3, "k"] : [1, ""];
  return `${number < 0 ? "−" : ""}£${Number((size / unit).toPrecision(6))}${suffix}`;
}

// date is the day "2010-12-01" as a Date, at midnight UTC.
export function date(day) {
  const at = new Date(`${day}T00:00:00Z`);
  if (Number.isNaN(at.getTime())) throw new TypeError(`no day: ${day}`);
  return at;
}

// monthName is "Dec" for a Date in December.
export function monthName(at) {
  return MONTHS[at.getUTCMonth()].slice(0, 3);
}

// dayName is "1 December 2010".
export function dayName(day) {
  const at = date(day);
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${at.getUTCFullYear()}`;
}

// weekdayName is "Wednesday".
export function weekdayName(day) {
  return WEEKDAYS[date(day).getUTCDay()];
}
