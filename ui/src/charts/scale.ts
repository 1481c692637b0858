// Straight lines from values to pixels, and round numbers along them. Pure.

export interface Scale {
  (value: number): number;
}

export function scale(low: number, high: number, from: number, to: number): Scale {
  const length = high - low || 1;
  return (value) => from + ((value - low) / length) * (to - from);
}

/** At most about `count` round values from `low` to `high`. */
export function steps(low: number, high: number, count: number): number[] {
  const length = high - low;
  if (!(length > 0)) return [low];
  const rough = length / Math.max(1, count);
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * size).find((n) => n >= rough) ?? size * 10;
  const found: number[] = [];
  for (let n = Math.ceil(low / step - 1e-9) * step; n <= high + step * 1e-9; n += step) found.push(Number(n.toFixed(10)));
  return found;
}

/** The least round number that is not below the value: where an axis ends. */
export function ceiling(value: number): number {
  if (!(value > 0)) return 1;
  const size = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 2.5, 5, 10].find((n) => n * size >= value) ?? 10) * size;
}

export const decimal = (value: number | null, digits = 2): string => (value === null ? "–" : value.toFixed(digits));
export const percent = (value: number | null, digits = 0): string =>
  value === null ? "–" : `${(value * 100).toFixed(digits)} %`;
