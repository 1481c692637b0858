// Draws one box over the picture, with its number, and handles where it is selected.
import { toCanvas, type Box, type View } from "../pure/boxes";

const INK = "rgb(0 0 0 / 75%)";
const LINE = "#5cc8ff";
const SELECTED = "#ffd24a";

export function drawBox(context: CanvasRenderingContext2D, view: View, box: Box, number: number, selected: boolean): void {
  const a = toCanvas(view, { x: box[0], y: box[1] });
  const b = toCanvas(view, { x: box[2], y: box[3] });
  // Dark under light, so that the line shows on every picture.
  for (const [colour, width] of [[INK, selected ? 5 : 4], [selected ? SELECTED : LINE, 2]] as const) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(a.x, a.y, b.x - a.x, b.y - a.y);
  }
  context.font = "600 11px system-ui, sans-serif";
  context.fillStyle = INK;
  context.fillRect(a.x, a.y, 16, 15);
  context.fillStyle = "#fff";
  context.fillText(String(number), a.x + 5, a.y + 11.5);
  if (!selected) return;
  context.fillStyle = SELECTED;
  const [middle, centre] = [(a.x + b.x) / 2, (a.y + b.y) / 2];
  for (const x of [a.x, middle, b.x]) {
    for (const y of [a.y, centre, b.y]) if (x !== middle || y !== centre) context.fillRect(x - 3.5, y - 3.5, 7, 7);
  }
}
