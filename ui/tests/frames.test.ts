import { describe, expect, it } from "vitest";
import { formatClock, formatRational, frameAt, neighbours, parseJump, proxyFrame, proxyTime, seconds, timeOf, type FrameTable } from "../src/pure/frames";

const table = (pts: number[], timeBase: [number, number]): FrameTable => ({
  hash: "h",
  time_base: timeBase,
  pts,
  num_frames: pts.length,
  width: 64,
  height: 48,
  rotation: 0,
});
const constant = (rate: [number, number], count: number): FrameTable =>
  table(
    Array.from({ length: count }, (_, n) => n * rate[1]),
    [1, rate[0]],
  );
const RATES: [number, number][] = [[24000, 1001], [24, 1], [25, 1], [30000, 1001], [30, 1], [50, 1], [60000, 1001]];

describe("time of a frame", () => {
  it("is exact and reduced", () => {
    expect(timeOf(constant([30000, 1001], 400), 30)).toEqual({ num: 1001, den: 1000 });
    expect(formatRational(timeOf(constant([30000, 1001], 400), 1))).toBe("1001/30000 s");
    expect(formatRational(timeOf(constant([25, 1], 400), 50))).toBe("2 s");
  });
  it("counts from the first picture, wherever the file begins", () => {
    expect(timeOf(table([9000, 12003, 15006], [1, 90000]), 1)).toEqual({ num: 1001, den: 30000 });
  });
  it.each(RATES)("leads back to its own frame, exactly and rounded to milliseconds, at %d/%d", (num, den) => {
    const found = constant([num, den], 5000);
    for (let n = 0; n < 5000; n++) {
      const exact = seconds(timeOf(found, n));
      expect(frameAt(found, exact)).toBe(n);
      expect(frameAt(found, Math.round(exact * 1000) / 1000)).toBe(n);
      expect(frameAt(found, exact - 0.002)).toBe(Math.max(0, n - 1));
    }
  });
  it("finds the picture on screen between uneven times", () => {
    const found = table([0, 10, 11, 40], [1, 10]);
    expect([0, 0.9, 1, 1.1, 2.5, 4, 99].map((time) => frameAt(found, time))).toEqual([0, 0, 1, 2, 2, 3, 3]);
    expect(frameAt(found, -1)).toBe(0);
  });
});

describe("what a person types", () => {
  const found = constant([25, 1], 2000);
  it("is a frame, seconds or a clock time", () => {
    expect(parseJump("120", found, 2000)).toBe(120);
    expect(parseJump("4s", found, 2000)).toBe(100);
    expect(parseJump("4.2", found, 2000)).toBe(105);
    expect(parseJump("1:04.2", found, 2000)).toBe(1605);
  });
  it("stays inside the clip, and nonsense is refused", () => {
    expect(parseJump("99999", found, 2000)).toBe(1999);
    for (const words of ["", "-4", "x", "1:2:3", "4 5", "1e3"]) expect(parseJump(words, found, 2000)).toBeNull();
  });
});

it("writes clock times with carries", () => {
  expect([0, 0.9996, 59.9999, 61.25].map(formatClock)).toEqual(["0:00.000", "0:01.000", "1:00.000", "1:01.250"]);
});

it.each(RATES)("maps every picture of the proxy to its frame and back at %d/%d, with durations in milliseconds", (num, den) => {
  const count = 4000;
  const duration = Math.round((count * den * 1000) / num) / 1000;
  for (let n = 0; n < count; n++) {
    expect(proxyFrame(Math.round((n * den * 1000) / num) / 1000, duration, count)).toBe(n);
    const seek = proxyTime(n, duration, count);
    expect(Math.floor((seek * num) / den)).toBe(n);
  }
});

it("prefetches more in the direction of travel, inside the clip", () => {
  expect(neighbours(5, 100, 1, 3)).toEqual([6, 4, 7, 8]);
  expect(neighbours(5, 100, -1, 3)).toEqual([4, 6, 3, 2]);
  expect(neighbours(0, 2, 1, 3)).toEqual([1]);
});
