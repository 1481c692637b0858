// The queue of submissions in this browser: keeps it, replays it when the connection or the login is back, and tells
// how it stands. One tab sends at a time where the browser has locks; the server applies an operation once anyway.
import { api, ApiError, problemOf } from "../api";
import { backoff, outcome, replay, type Delivery, type Operation } from "../pure/queue";
import { announcer } from "./announcer.svelte";
import { session } from "./session.svelte";
import { operations } from "./storage";

async function send(operation: Operation): Promise<Delivery> {
  try {
    return { kind: "done", answer: await api.submit(operation.assignment_id, operation.body) };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const found = outcome(error.status);
    if (found === "refused" || found === "done") return { kind: "refused", problem: problemOf(error) };
    return { kind: "later", because: found };
  }
}

class Outbox {
  waiting = $state<Operation[]>([]);
  refused = $state<Operation[]>([]);
  sending = $state(false);
  online = $state(true);
  /** The last try failed, so what waits is queued and not just on its way. */
  stalled = $state(false);
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private listeners = new Set<(id: string, delivery: Delivery) => void>();
  private running: Promise<void> | null = null;

  start(): void {
    this.online = navigator.onLine;
    window.addEventListener("online", () => {
      this.online = true;
      this.failures = 0;
      void this.flush();
    });
    window.addEventListener("offline", () => (this.online = false));
    void this.refresh();
  }

  onDelivery(listener: (id: string, delivery: Delivery) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Store an operation, then try to send it. Resolves once it is stored and one try was made. */
  async add(operation: Operation): Promise<void> {
    await operations.put($state.snapshot(operation) as Operation);
    await this.refresh();
    await this.flush();
  }

  async forget(clientOpId: string): Promise<void> {
    await operations.remove(clientOpId);
    await this.refresh();
  }

  /** Send what waits. Calls while one is under way join it, then look once more. */
  async flush(): Promise<void> {
    const before = this.running;
    const run = (async () => {
      if (before) await before.catch(() => undefined);
      await this.flushOnce();
    })();
    this.running = run;
    await run;
    if (this.running === run) this.running = null;
  }

  private async flushOnce(): Promise<void> {
    clearTimeout(this.timer);
    const user = session.user;
    await this.refresh();
    if (!user || !this.waiting.length) return;
    this.sending = true;
    const had = this.waiting.length;
    try {
      const work = () => replay(operations, user.id, send);
      const result = "locks" in navigator ? await navigator.locks.request("perceptlm-outbox", work) : await work();
      for (const [id, delivery] of result.delivered) for (const listener of this.listeners) listener(id, delivery);
      if (result.stopped) {
        this.failures += 1;
        this.stalled = true;
        if (result.stopped === "offline" && this.failures === 1) {
          announcer.say("No connection. Your submission is queued and will be sent.");
        }
        if (result.stopped !== "login") this.timer = setTimeout(() => void this.flush(), backoff(this.failures) * 1000);
      } else {
        if (this.failures) announcer.say(`Connection is back: ${had} queued sent.`);
        this.failures = 0;
        this.stalled = false;
      }
    } finally {
      this.sending = false;
      await this.refresh();
    }
  }

  private async refresh(): Promise<void> {
    const mine = (await operations.all()).filter((operation) => operation.user_id === session.user?.id);
    this.waiting = mine.filter((operation) => !operation.refused);
    this.refused = mine.filter((operation) => operation.refused);
  }
}

export const outbox = new Outbox();
