// Boxes in source pixels, [x0, y0, x1, y1], and the mapping between the source and the canvas. Pure geometry.

export type Box = [number, number, number, number];

export interface FrameBox {
  frame: number;
  box: Box;
}

export interface Size {
  width: number;
  height: number;
}

export interface Point {
  x: number;
  y: number;
}

/** Eight handles by compass, or the inside. */
export type Grip = "n" | "s" | "e" | "w" | "ne" | "nw" | "se" | "sw" | "move";

export const SMALLEST = 2;
const tenth = (value: number): number => Math.round(value * 10) / 10;

/** Corners in order, inside the picture, at least SMALLEST wide and high, tenths of a pixel. */
export function fitBox(box: Box, size: Size): Box {
  const span = (a: number, b: number, limit: number): [number, number] => {
    let low = Math.max(0, Math.min(limit, Math.min(a, b)));
    let high = Math.max(0, Math.min(limit, Math.max(a, b)));
    if (high - low < SMALLEST) {
      low = Math.min(low, Math.max(0, limit - SMALLEST));
      high = Math.min(limit, low + SMALLEST);
    }
    return [tenth(low), tenth(high)];
  };
  const [x0, x1] = span(box[0], box[2], size.width);
  const [y0, y1] = span(box[1], box[3], size.height);
  return [x0, y0, x1, y1];
}

/** Move a box; it keeps its size and stops at the edges of the picture. */
export function moveBox(box: Box, dx: number, dy: number, size: Size): Box {
  const x = Math.max(-box[0], Math.min(size.width - box[2], dx));
  const y = Math.max(-box[1], Math.min(size.height - box[3], dy));
  return [tenth(box[0] + x), tenth(box[1] + y), tenth(box[2] + x), tenth(box[3] + y)];
}

/** Drag a handle; a box drawn through itself turns over instead of vanishing. */
export function resizeBox(box: Box, grip: Grip, dx: number, dy: number, size: Size): Box {
  if (grip === "move") return moveBox(box, dx, dy, size);
  const next: Box = [...box];
  if (grip.includes("w")) next[0] += dx;
  if (grip.includes("e")) next[2] += dx;
  if (grip.includes("n")) next[1] += dy;
  if (grip.includes("s")) next[3] += dy;
  return fitBox(next, size);
}

/** The handle of a box under a point, or null; `reach` is in source pixels. */
export function gripAt(box: Box, point: Point, reach: number): Grip | null {
  const [x0, y0, x1, y1] = box;
  if (point.x < x0 - reach || point.x > x1 + reach || point.y < y0 - reach || point.y > y1 + reach) return null;
  const near = (a: number, b: number): boolean => Math.abs(a - b) <= reach;
  const vertical = near(point.y, y0) ? "n" : near(point.y, y1) ? "s" : "";
  const horizontal = near(point.x, x0) ? "w" : near(point.x, x1) ? "e" : "";
  if (vertical || horizontal) return (vertical + horizontal) as Grip;
  return "move";
}

/** A new box in the middle of the picture, a third of it. */
export function middleBox(size: Size): Box {
  return fitBox([size.width / 3, size.height / 3, (size.width * 2) / 3, (size.height * 2) / 3], size);
}

/** How the source lies on the canvas: canvas = source * scale + offset. */
export interface View {
  scale: number;
  x: number;
  y: number;
}

export function fitView(source: Size, canvas: Size): View {
  if (!source.width || !source.height || !canvas.width || !canvas.height) return { scale: 1, x: 0, y: 0 };
  const scale = Math.min(canvas.width / source.width, canvas.height / source.height);
  return { scale, x: (canvas.width - source.width * scale) / 2, y: (canvas.height - source.height * scale) / 2 };
}

/** Zoom by a factor around a canvas point that stays where it is; between the fitted size and 32 times it. */
export function zoomView(view: View, factor: number, around: Point, source: Size, canvas: Size): View {
  const fitted = fitView(source, canvas);
  const scale = Math.max(fitted.scale, Math.min(fitted.scale * 32, view.scale * factor));
  if (scale === fitted.scale) return fitted;
  const share = scale / view.scale;
  return holdView(
    { scale, x: around.x - (around.x - view.x) * share, y: around.y - (around.y - view.y) * share },
    source,
    canvas,
  );
}

/** Keep the picture on the canvas: no gap where it could be filled, centred where it is smaller. */
export function holdView(view: View, source: Size, canvas: Size): View {
  const hold = (offset: number, length: number, room: number): number =>
    length <= room ? (room - length) / 2 : Math.max(room - length, Math.min(0, offset));
  return {
    scale: view.scale,
    x: hold(view.x, source.width * view.scale, canvas.width),
    y: hold(view.y, source.height * view.scale, canvas.height),
  };
}

export const toSource = (view: View, point: Point): Point => ({
  x: (point.x - view.x) / view.scale,
  y: (point.y - view.y) / view.scale,
});

export const toCanvas = (view: View, point: Point): Point => ({
  x: point.x * view.scale + view.x,
  y: point.y * view.scale + view.y,
});
