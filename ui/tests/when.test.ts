import { expect, it } from "vitest";
import { age, day, timestamp } from "../src/pure/when";

const HOUR = 3_600_000;

it("writes points in time in UTC", () => {
  expect(timestamp(1_793_577_600_000)).toBe("2026-11-02 00:00");
  expect(timestamp(1_793_577_605_000, true)).toBe("2026-11-02 00:00:05");
  expect(day(1_793_577_600_000)).toBe("2026-11-02");
});

it("says how long ago in the largest whole unit", () => {
  const ages = [0, 59_999, 60_000, 59 * 60_000, HOUR, 47 * HOUR, 48 * HOUR, 75 * HOUR];
  expect(ages.map((ms) => age(0, ms))).toEqual([
    "under a minute",
    "under a minute",
    "1 min",
    "59 min",
    "1 h",
    "47 h",
    "2 days",
    "3 days",
  ]);
  expect(age(5 * HOUR, 0)).toBe("under a minute");
});
