// Pictures of one asset by frame number: fetched once, kept as the bytes the server sent, decoded when drawn.
import { fetchFrame } from "../api";

const MOST_BYTES = 192 * 1024 * 1024;
const MOST_AT_ONCE = 4;

export class FrameCache {
  private blobs = new Map<number, Blob>();
  private running = new Map<number, Promise<Blob>>();
  private wanted: number[] = [];
  private bytes = 0;
  private readonly stop = new AbortController();

  constructor(private readonly assetId: number) {}

  has(frame: number): boolean {
    return this.blobs.has(frame);
  }

  /** The picture of a frame as bytes. A failed fetch is not remembered: asking again tries again. */
  get(frame: number): Promise<Blob> {
    const kept = this.blobs.get(frame);
    if (kept) {
      this.blobs.delete(frame);
      this.blobs.set(frame, kept);
      return Promise.resolve(kept);
    }
    return this.running.get(frame) ?? this.fetch(frame);
  }

  /** Fetch these when there is nothing more urgent; the list replaces the one before. */
  prefetch(frames: number[]): void {
    this.wanted = frames.filter((frame) => !this.blobs.has(frame) && !this.running.has(frame));
    this.fill();
  }

  close(): void {
    this.wanted = [];
    this.stop.abort();
    this.blobs.clear();
  }

  private fetch(frame: number): Promise<Blob> {
    const found = fetchFrame(this.assetId, frame, this.stop.signal)
      .then((blob) => {
        this.keep(frame, blob);
        return blob;
      })
      .finally(() => {
        this.running.delete(frame);
        this.fill();
      });
    this.running.set(frame, found);
    return found;
  }

  private fill(): void {
    while (this.running.size < MOST_AT_ONCE && !this.stop.signal.aborted) {
      const frame = this.wanted.shift();
      if (frame === undefined) return;
      // Nobody waits for a prefetched picture: who needs it asks again and sees the failure.
      this.get(frame).catch(() => (this.wanted = []));
    }
  }

  private keep(frame: number, blob: Blob): void {
    if (this.stop.signal.aborted) return;
    this.blobs.set(frame, blob);
    this.bytes += blob.size;
    for (const [oldest, old] of this.blobs) {
      if (this.bytes <= MOST_BYTES || oldest === frame) break;
      this.blobs.delete(oldest);
      this.bytes -= old.size;
    }
  }
}
