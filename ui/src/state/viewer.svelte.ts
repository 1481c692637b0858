// What the viewer shows: which frame is wanted and which is on screen, playing, zoom, the selected box, the part of the
// timeline in sight. Editing goes through the work; drawing is the component's.
import { api } from "../api";
import { fitView, holdView, zoomView, type Point, type Size, type View } from "../pure/boxes";
import { clampFrame, frameAt, seconds, timeOf, type FrameTable } from "../pure/frames";
import { panSpan, reveal, wholeSpan, zoomSpan, type Span } from "../pure/interval";
import type { Asset } from "../types";
import { announcer } from "./announcer.svelte";
import { settings } from "./settings.svelte";

export const SPEEDS = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 4];

export class Viewer {
  readonly asset: Asset;
  readonly table: FrameTable | null;
  readonly numFrames: number;
  /** The frame that was asked for. */
  frame = $state(0);
  /** The frame whose picture is on the canvas. */
  shown = $state(-1);
  direction = 1;
  /** How far the last move went: who steps by one will step on. */
  stride = 0;
  playing = $state(false);
  problem = $state("");
  source: Size = $state({ width: 0, height: 0 });
  canvas: Size = $state({ width: 0, height: 0 });
  view: View = $state({ scale: 1, x: 0, y: 0 });
  fitted = true;
  span: Span = $state({ low: 0, high: 1 });
  /** Index of the selected box in the list of boxes, or null. */
  selected = $state<number | null>(null);
  /** Set by the component, which owns the <video>. */
  player: { play: () => Promise<void>; pause: () => void } | null = null;

  constructor(asset: Asset, table: FrameTable | null) {
    this.asset = asset;
    this.table = table;
    this.numFrames = table?.num_frames ?? Math.max(1, asset.num_frames);
    this.source = { width: asset.width, height: asset.height };
    this.span = wholeSpan(this.numFrames);
  }

  get isVideo(): boolean {
    return this.asset.kind === "video";
  }

  get videoPath(): string {
    return api.videoPath(this.asset.id);
  }

  go(frame: number): void {
    if (this.playing) this.player?.pause();
    const next = clampFrame(frame, this.numFrames);
    if (next !== this.frame) this.direction = next < this.frame ? -1 : 1;
    this.stride = Math.abs(next - this.frame);
    this.frame = next;
    this.selected = null;
    this.span = reveal(this.span, next, this.numFrames);
  }

  /** The component has drawn a frame. */
  drawn(frame: number): void {
    this.shown = frame;
    this.problem = "";
  }

  /** The frame that a mark set now refers to: the one asked for, even if its picture is a moment late; -1: none. */
  get marked(): number {
    return this.shown < 0 || this.problem ? -1 : this.frame;
  }

  step(by: number): void {
    this.go(this.frame + by);
  }

  /** Go to the picture that is on screen so many seconds later, at least one frame away. */
  stepSeconds(by: number): void {
    if (!this.table) return;
    const wanted = frameAt(this.table, seconds(timeOf(this.table, this.frame)) + by);
    this.go(wanted === this.frame ? this.frame + Math.sign(by) : wanted);
  }

  async toggle(): Promise<void> {
    if (!this.isVideo || !this.player) return;
    if (this.playing) this.player.pause();
    else await this.player.play();
  }

  speed(by: number): void {
    const at = SPEEDS.indexOf(settings.speed);
    const next = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, (at < 0 ? 4 : at) + by))] as number;
    settings.set({ speed: next });
    announcer.say(`Speed ${next}`);
  }

  resize(size: Size): void {
    this.canvas = size;
    this.view = this.fitted ? fitView(this.source, size) : holdView(this.view, this.source, size);
  }

  /** The size of the pictures as decoded, which boxes refer to. */
  pictureSize(size: Size): void {
    if (size.width === this.source.width && size.height === this.source.height) return;
    this.source = size;
    this.fit();
  }

  fit(): void {
    this.fitted = true;
    this.view = fitView(this.source, this.canvas);
  }

  zoom(factor: number, around?: Point): void {
    const centre = around ?? { x: this.canvas.width / 2, y: this.canvas.height / 2 };
    this.view = zoomView(this.view, factor, centre, this.source, this.canvas);
    this.fitted = this.view.scale === fitView(this.source, this.canvas).scale;
  }

  pan(dx: number, dy: number): void {
    this.view = holdView({ ...this.view, x: this.view.x + dx, y: this.view.y + dy }, this.source, this.canvas);
  }

  zoomLine(factor: number, around = this.frame + 0.5): void {
    this.span = zoomSpan(this.span, factor, around, this.numFrames);
  }

  panLine(by: number): void {
    this.span = panSpan(this.span, by, this.numFrames);
  }
}
