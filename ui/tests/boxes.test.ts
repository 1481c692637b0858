import { expect, it } from "vitest";
import { fitBox, fitView, gripAt, middleBox, moveBox, resizeBox, SMALLEST, toCanvas, toSource, zoomView, type Box } from "../src/pure/boxes";

const size = { width: 640, height: 360 };

it("puts corners in order and inside the picture", () => {
  expect(fitBox([700, 50, 100, -20], size)).toEqual([100, 0, 640, 50]);
  expect(fitBox([10.04, 10.06, 20.26, 20.24], size)).toEqual([10, 10.1, 20.3, 20.2]);
});

it("never lets a box vanish, not even at the edge", () => {
  for (const box of [[640, 360, 640, 360], [0, 0, 0, 0], [900, 900, 901, 901]] as Box[]) {
    const [x0, y0, x1, y1] = fitBox(box, size);
    expect(x1 - x0).toBeGreaterThanOrEqual(SMALLEST);
    expect(y1 - y0).toBeGreaterThanOrEqual(SMALLEST);
    expect(x0 >= 0 && y0 >= 0 && x1 <= 640 && y1 <= 360).toBe(true);
  }
});

it("keeps its size when moved against an edge", () => {
  expect(moveBox([10, 10, 50, 40], -100, 1000, size)).toEqual([0, 330, 40, 360]);
});

it("resizes by each handle and turns over when drawn through itself", () => {
  const box: Box = [100, 100, 200, 200];
  expect(resizeBox(box, "nw", -10, 5, size)).toEqual([90, 105, 200, 200]);
  expect(resizeBox(box, "e", 30, 99, size)).toEqual([100, 100, 230, 200]);
  expect(resizeBox(box, "w", 150, 0, size)).toEqual([200, 100, 250, 200]);
  expect(resizeBox(box, "move", 5, 5, size)).toEqual([105, 105, 205, 205]);
});

it("finds the handle under the pointer", () => {
  const box: Box = [100, 100, 200, 200];
  const at = (x: number, y: number): string | null => gripAt(box, { x, y }, 6);
  expect([at(98, 103), at(150, 99), at(204, 150), at(199, 203), at(150, 150), at(90, 90), at(150, 220)]).toEqual([
    "nw",
    "n",
    "e",
    "se",
    "move",
    null,
    null,
  ]);
});

it("maps the canvas to the source and back at every zoom", () => {
  const canvas = { width: 911, height: 487 };
  let view = fitView(size, canvas);
  for (const [factor, x, y] of [[1.4, 100, 100], [3, 800, 20], [9, 455, 243], [0.3, 0, 0]] as const) {
    const before = toSource(view, { x, y });
    const next = zoomView(view, factor, { x, y }, size, canvas);
    const after = toCanvas(next, before);
    // The point stays under the pointer, unless the edge of the picture is in the way.
    if (next.x < 0 && next.y < 0 && next.x + size.width * next.scale > canvas.width) {
      expect(Math.abs(after.x - x)).toBeLessThan(canvas.width / 4);
    }
    view = next;
    const point = toSource(view, toCanvas(view, { x: 33.25, y: 270.5 }));
    expect(point.x).toBeCloseTo(33.25, 6);
    expect(point.y).toBeCloseTo(270.5, 6);
  }
  expect(zoomView(view, 1e-9, { x: 5, y: 5 }, size, canvas)).toEqual(fitView(size, canvas));
});

it("leaves no gap beside a zoomed picture", () => {
  const canvas = { width: 640, height: 360 };
  const view = zoomView(fitView(size, canvas), 4, { x: 0, y: 0 }, size, canvas);
  expect(view).toEqual({ scale: 4, x: 0, y: 0 });
  expect(middleBox(size)).toEqual([213.3, 120, 426.7, 240]);
});
