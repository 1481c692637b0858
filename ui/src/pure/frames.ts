// Frames and time. A frame is the 0-based ordinal of a decoded picture; its time is a rational number from the
// container's table. Knows nothing of the page, the network or the player.

export interface FrameTable {
  hash: string;
  time_base: [number, number];
  pts: number[];
  num_frames: number;
  width: number;
  height: number;
  rotation: number;
}

export interface Rational {
  num: number;
  den: number;
}

export function gcd(a: number, b: number): number {
  let [x, y] = [Math.abs(a), Math.abs(b)];
  while (y) [x, y] = [y, x % y];
  return x || 1;
}

export function reduced(num: number, den: number): Rational {
  const divisor = gcd(num, den);
  return { num: num / divisor, den: den / divisor };
}

export function clampFrame(frame: number, numFrames: number): number {
  if (!Number.isFinite(frame)) return 0;
  return Math.max(0, Math.min(Math.max(0, numFrames - 1), Math.round(frame)));
}

/** Time of a frame since the first picture, exact. Integers stay below 2^53 for any real table. */
export function timeOf(table: FrameTable, frame: number): Rational {
  const first = table.pts[0] ?? 0;
  const ticks = (table.pts[clampFrame(frame, table.pts.length)] ?? first) - first;
  return reduced(ticks * table.time_base[0], table.time_base[1]);
}

/** The picture on screen at a time (seconds since the first picture): the last one whose time has come. */
export function frameAt(table: FrameTable, seconds: number): number {
  const first = table.pts[0] ?? 0;
  const [num, den] = table.time_base;
  // Half a millisecond of grace, so that a time as it is shown, rounded to milliseconds, finds its own picture.
  const ticks = ((seconds + 0.00051) * den) / num;
  let low = 0;
  let high = table.pts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((table.pts[middle] as number) - first <= ticks) low = middle;
    else high = middle - 1;
  }
  return Math.max(0, low);
}

export function seconds(time: Rational): number {
  return time.num / time.den;
}

/** `m:ss.mmm`, for reading; the exact value is `formatRational`. */
export function formatClock(value: number): string {
  const total = Math.round(Math.max(0, value) * 1000);
  const minutes = Math.floor(total / 60000);
  const rest = total - minutes * 60000;
  const whole = Math.floor(rest / 1000);
  return `${minutes}:${String(whole).padStart(2, "0")}.${String(rest % 1000).padStart(3, "0")}`;
}

export function formatRational(time: Rational): string {
  return time.den === 1 ? `${time.num} s` : `${time.num}/${time.den} s`;
}

/** What a person typed into "go to": a frame number ("120"), seconds ("4.2s") or a clock time ("1:04.2"). */
export function parseJump(text: string, table: FrameTable | null, numFrames: number): number | null {
  const words = text.trim().toLowerCase();
  if (/^\d+$/.test(words)) return clampFrame(Number(words), numFrames);
  if (!table) return null;
  const clock = /^(?:(\d+):)?(\d+(?:\.\d+)?)\s*s?$/.exec(words);
  if (!clock) return null;
  return frameAt(table, Number(clock[1] ?? 0) * 60 + Number(clock[2]));
}

/** Picture number in the constant-rate proxy from the media time of the picture that the browser presents. */
export function proxyFrame(mediaTime: number, duration: number, numFrames: number): number {
  if (!(duration > 0)) return 0;
  return clampFrame(Math.floor((mediaTime * numFrames) / duration + 0.5), numFrames);
}

/** Where to seek the proxy so that picture n is shown: the middle of its span. */
export function proxyTime(frame: number, duration: number, numFrames: number): number {
  return numFrames > 0 ? ((frame + 0.5) * duration) / numFrames : 0;
}

/** Frames worth fetching around the shown one, nearest first, one more ahead in the direction of travel. */
export function neighbours(frame: number, numFrames: number, direction: number, reach: number): number[] {
  const ahead = direction < 0 ? -1 : 1;
  const wanted: number[] = [];
  for (let step = 1; step <= reach; step++) {
    wanted.push(frame + ahead * step);
    if (step <= Math.ceil(reach / 3)) wanted.push(frame - ahead * step);
  }
  return wanted.filter((n) => n >= 0 && n < numFrames);
}
