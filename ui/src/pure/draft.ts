// Autosave of a draft with If-Match. One save at a time; what changes meanwhile is saved next. A draft that is newer on
// the server is never overwritten: the person sees both and chooses. Timers and the network come from outside.

export interface Versioned<T> {
  rev: number;
  body: T;
}

export type SaveAnswer<T> =
  | { kind: "saved"; rev: number }
  | { kind: "stale"; current: Versioned<T> }
  | { kind: "offline" }
  | { kind: "login" }
  | { kind: "lost"; message: string };

export type DraftState = "clean" | "unsaved" | "saving" | "saved" | "offline" | "login" | "conflict" | "lost";

export interface DraftOptions<T> {
  save: (rev: number, body: T) => Promise<SaveAnswer<T>>;
  notify: (state: DraftState) => void;
  /** Kept on this machine at once; `dirty` says that the server has not got it yet. */
  keep: (draft: Versioned<T> & { dirty: boolean }) => void;
  later: (task: () => void, ms: number) => () => void;
  delay?: number;
  retry?: number;
}

export class DraftSync<T> {
  state: DraftState = "clean";
  theirs: Versioned<T> | null = null;
  /** Why the work was lost, when it was. */
  reason = "";
  private cancel: (() => void) | null = null;
  private running: Promise<void> | null = null;
  private changed = false;
  private closed = false;

  constructor(
    private rev: number,
    private body: T,
    private readonly options: DraftOptions<T>,
  ) {}

  get revision(): number {
    return this.rev;
  }

  get mine(): T {
    return this.body;
  }

  /** The person changed something. */
  change(body: T): void {
    if (this.closed) return;
    this.body = body;
    this.changed = true;
    this.options.keep({ rev: this.rev, body, dirty: true });
    if (this.state === "conflict" || this.state === "lost") return;
    if (this.state !== "offline" && this.state !== "login") this.become("unsaved");
    this.arm(this.options.delay ?? 800);
  }

  /** Save now what is not saved yet; resolves when nothing is under way. */
  async flush(): Promise<void> {
    this.disarm();
    if (this.running) await this.running;
    if (!this.changed || this.closed || this.state === "conflict" || this.state === "lost") return;
    this.running = this.saveOnce();
    await this.running;
    this.running = null;
  }

  /** After a conflict: keep mine (it is saved over theirs, which stays in the server's history) or take theirs. */
  async resolve(choice: "mine" | "theirs"): Promise<T> {
    const theirs = this.theirs;
    if (!theirs) return this.body;
    this.theirs = null;
    this.rev = theirs.rev;
    if (choice === "theirs") {
      this.body = theirs.body;
      this.changed = false;
      this.options.keep({ rev: this.rev, body: this.body, dirty: false });
      this.become("saved");
    } else {
      this.changed = true;
      this.become("unsaved");
      await this.flush();
    }
    return this.body;
  }

  /** A newer version was seen elsewhere before anything was saved here. */
  conflict(theirs: Versioned<T>): void {
    this.theirs = theirs;
    this.disarm();
    this.become("conflict");
  }

  lose(message: string): void {
    this.reason = message;
    this.disarm();
    this.become("lost");
  }

  close(): void {
    this.closed = true;
    this.disarm();
  }

  private async saveOnce(): Promise<void> {
    const body = this.body;
    this.changed = false;
    this.become("saving");
    const answer = await this.options.save(this.rev, body);
    if (this.closed) return;
    if (answer.kind === "saved") {
      this.rev = answer.rev;
      this.options.keep({ rev: this.rev, body: this.body, dirty: this.changed });
      this.become(this.changed ? "unsaved" : "saved");
      if (this.changed) this.arm(this.options.delay ?? 800);
      return;
    }
    this.changed = true;
    if (answer.kind === "stale") return this.conflict(answer.current);
    if (answer.kind === "lost") return this.lose(answer.message);
    this.become(answer.kind);
    this.arm(this.options.retry ?? 5000);
  }

  private become(state: DraftState): void {
    this.state = state;
    this.options.notify(state);
  }

  private arm(ms: number): void {
    this.disarm();
    this.cancel = this.options.later(() => void this.flush(), ms);
  }

  private disarm(): void {
    this.cancel?.();
    this.cancel = null;
  }
}
