// Times and days in the reader's own language.

const DAY_MS = 86_400_000;

const TIME = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const WEEKDAY = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const DATE = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export const clock = (time) => TIME.format(time);
export const full = (time) => FULL.format(time);

/** For a list: the time if it is today, else the day. */
export function brief(time, now) {
  return startOfDay(time) === startOfDay(now) ? clock(time) : day(time, now);
}

/** For a time to come: "7:53 PM", with the date if it is not today. */
export function until(time, now) {
  return startOfDay(time) === startOfDay(now) ? clock(time) : `${DATE.format(time)}, ${clock(time)}`;
}

/** "Today", "Yesterday", a weekday of this week, or a date. */
export function day(time, now) {
  const days = Math.round((startOfDay(now) - startOfDay(time)) / DAY_MS); // rounded: days of 23 and 25 hours exist
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return days > 1 && days < 7 ? WEEKDAY.format(time) : DATE.format(time);
}

export function startOfDay(time) {
  return new Date(time).setHours(0, 0, 0, 0);
}
