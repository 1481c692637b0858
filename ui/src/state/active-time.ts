// How long a person works on a step: pauses count for half a minute at most.

const IDLE_MS = 30_000;

export class ActiveTime {
  private ms = 0;
  private last = Date.now();

  /** The person did something. */
  note(): void {
    const now = Date.now();
    this.ms += Math.min(IDLE_MS, now - this.last);
    this.last = now;
  }

  get seconds(): number {
    return Math.round(this.ms / 100) / 10;
  }
}
