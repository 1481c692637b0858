import { expect, it } from "vitest";
import { endAt, fitInterval, fromShare, moveHandle, moveInterval, panSpan, reveal, startAt, ticks, toShare, wholeSpan, zoomSpan } from "../src/pure/interval";

it("is half-open: ending at the shown frame includes it", () => {
  expect(endAt({ start: 3, end: 5 }, 9, 20)).toEqual({ start: 3, end: 10 });
  expect(endAt(null, 9, 20)).toEqual({ start: 0, end: 10 });
  expect(startAt(null, 9, 20)).toEqual({ start: 9, end: 20 });
});

it("is never empty: a start behind the end takes it along, and the other way round", () => {
  expect(startAt({ start: 3, end: 5 }, 12, 20)).toEqual({ start: 12, end: 13 });
  expect(endAt({ start: 8, end: 12 }, 4, 20)).toEqual({ start: 4, end: 5 });
  expect(fitInterval({ start: 30, end: 2 }, 20)).toEqual({ start: 19, end: 20 });
});

it("stops handles at each other and at the ends", () => {
  const interval = { start: 5, end: 9 };
  expect(moveHandle(interval, "start", 100, 20)).toEqual({ start: 8, end: 9 });
  expect(moveHandle(interval, "start", -100, 20)).toEqual({ start: 0, end: 9 });
  expect(moveHandle(interval, "end", -100, 20)).toEqual({ start: 5, end: 6 });
  expect(moveHandle(interval, "end", 100, 20)).toEqual({ start: 5, end: 20 });
});

it("keeps its length when moved as a whole", () => {
  expect(moveInterval({ start: 5, end: 9 }, 100, 20)).toEqual({ start: 16, end: 20 });
  expect(moveInterval({ start: 5, end: 9 }, -100, 20)).toEqual({ start: 0, end: 4 });
});

it("stays valid under any sequence of edits", () => {
  let seed = 7;
  const random = (): number => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
  let interval = { start: 0, end: 1 };
  for (let turn = 0; turn < 5000; turn++) {
    const by = Math.round((random() - 0.5) * 60);
    const kind = Math.floor(random() * 5);
    if (kind === 0) interval = startAt(interval, Math.abs(by) % 20, 20);
    if (kind === 1) interval = endAt(interval, Math.abs(by) % 20, 20);
    if (kind === 2) interval = moveHandle(interval, "start", by, 20);
    if (kind === 3) interval = moveHandle(interval, "end", by, 20);
    if (kind === 4) interval = moveInterval(interval, by, 20);
    expect(interval.start >= 0 && interval.start < interval.end && interval.end <= 20).toBe(true);
  }
});

it("zooms the timeline around a frame that stays where it is", () => {
  const span = zoomSpan(wholeSpan(1000), 0.5, 400, 1000);
  expect(span.high - span.low).toBeCloseTo(500);
  expect(toShare(span, 400)).toBeCloseTo(0.4);
  expect(fromShare(span, 0.4)).toBeCloseTo(400);
  expect(zoomSpan(span, 100, 400, 1000)).toEqual({ low: 0, high: 1000 });
});

it("never leaves the clip, and follows the shown frame", () => {
  expect(panSpan({ low: 10, high: 30 }, -100, 50)).toEqual({ low: 0, high: 20 });
  expect(panSpan({ low: 10, high: 30 }, 100, 50)).toEqual({ low: 30, high: 50 });
  expect(reveal({ low: 10, high: 30 }, 30, 50)).toEqual({ low: 11, high: 31 });
  expect(reveal({ low: 10, high: 30 }, 4, 50)).toEqual({ low: 4, high: 24 });
  expect(reveal({ low: 10, high: 30 }, 20, 50)).toEqual({ low: 10, high: 30 });
  expect(zoomSpan({ low: 0, high: 5 }, 0.1, 2, 5)).toEqual({ low: 0, high: 5 });
});

it("marks round frames", () => {
  expect(ticks({ low: 0, high: 100 }, 5)).toEqual([0, 20, 40, 60, 80]);
  expect(ticks({ low: 7, high: 12 }, 5)).toEqual([7, 8, 9, 10, 11]);
});
