// The evidence interval: half-open [start, end) in frames, never empty, never outside the clip; and the window of the
// timeline that a person has zoomed to. Pure arithmetic.

export interface Interval {
  start: number;
  end: number;
}

export type Handle = "start" | "end";

export function fitInterval(interval: Interval, numFrames: number): Interval {
  const start = Math.max(0, Math.min(numFrames - 1, Math.round(interval.start)));
  const end = Math.max(start + 1, Math.min(numFrames, Math.round(interval.end)));
  return { start, end };
}

/** The shown frame becomes the first one of the evidence; an end that it passes moves along. */
export function startAt(interval: Interval | null, frame: number, numFrames: number): Interval {
  return fitInterval({ start: frame, end: Math.max(interval?.end ?? numFrames, frame + 1) }, numFrames);
}

/** The shown frame becomes the last one of the evidence. */
export function endAt(interval: Interval | null, frame: number, numFrames: number): Interval {
  return fitInterval({ start: Math.min(interval?.start ?? 0, frame), end: frame + 1 }, numFrames);
}

/** Move one handle by some frames; the other one stays and stops it. */
export function moveHandle(interval: Interval, handle: Handle, by: number, numFrames: number): Interval {
  if (handle === "start") {
    return { ...interval, start: Math.max(0, Math.min(interval.end - 1, interval.start + by)) };
  }
  return { ...interval, end: Math.min(numFrames, Math.max(interval.start + 1, interval.end + by)) };
}

/** Move the whole interval; its length stays. */
export function moveInterval(interval: Interval, by: number, numFrames: number): Interval {
  const length = interval.end - interval.start;
  const start = Math.max(0, Math.min(numFrames - length, interval.start + by));
  return { start, end: start + length };
}

/** Part of the clip that the timeline shows, in frames (fractions allowed while dragging). */
export interface Span {
  low: number;
  high: number;
}

export const wholeSpan = (numFrames: number): Span => ({ low: 0, high: Math.max(1, numFrames) });

export function zoomSpan(span: Span, factor: number, around: number, numFrames: number): Span {
  const shortest = Math.min(numFrames, 8);
  const length = Math.max(shortest, Math.min(numFrames, (span.high - span.low) * factor));
  const part = (around - span.low) / (span.high - span.low);
  return panSpan({ low: around - part * length, high: around + (1 - part) * length }, 0, numFrames);
}

export function panSpan(span: Span, by: number, numFrames: number): Span {
  const length = Math.min(numFrames, span.high - span.low);
  const low = Math.max(0, Math.min(numFrames - length, span.low + by));
  return { low, high: low + length };
}

/** The span moved just far enough that the frame is inside. */
export function reveal(span: Span, frame: number, numFrames: number): Span {
  if (frame < span.low) return panSpan(span, frame - span.low, numFrames);
  if (frame + 1 > span.high) return panSpan(span, frame + 1 - span.high, numFrames);
  return span;
}

export const toShare = (span: Span, frame: number): number => (frame - span.low) / (span.high - span.low);
export const fromShare = (span: Span, share: number): number => span.low + share * (span.high - span.low);

/** Round tick positions, at most `most` of them. */
export function ticks(span: Span, most: number): number[] {
  const length = span.high - span.low;
  let step = 1;
  for (const candidate of [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10000, 50000, 100000]) {
    step = candidate;
    if (length / candidate <= most) break;
  }
  const found: number[] = [];
  for (let n = Math.ceil(span.low / step) * step; n < span.high; n += step) found.push(n);
  return found;
}
