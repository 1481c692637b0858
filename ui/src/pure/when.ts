// Points in time and how long ago they were, for people. Times are UTC milliseconds.

/** `2026-11-23 16:40`, UTC; with seconds if wanted. */
export const timestamp = (ms: number, withSeconds = false): string =>
  new Date(ms).toISOString().slice(0, withSeconds ? 19 : 16).replace("T", " ");

/** The day, as a date field has it. */
export const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** How long ago, in the largest whole unit; clocks that disagree never give less than nothing. */
export function age(since: number, now: number): string {
  const minutes = Math.floor(Math.max(0, now - since) / 60_000);
  if (minutes < 1) return "under a minute";
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h`;
  return `${Math.floor(minutes / (24 * 60))} days`;
}
