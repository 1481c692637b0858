// Submissions that wait for the server. An operation is stored before it is first sent and removed only after the
// server has answered, so a closed tab, a lost connection or an expired login loses nothing; the server applies one
// client_op_id once, however often it comes. Knows the store and the sender only through these interfaces.
import type { ApiProblem, SubmissionBody, SubmissionAnswer } from "../types";

export interface Operation {
  client_op_id: string;
  user_id: number;
  assignment_id: number;
  item_id: number;
  project: string;
  step: string;
  body: SubmissionBody;
  created_at: number;
  /** The server said no for good; kept so that the person can copy the work. */
  refused: ApiProblem | null;
}

export interface OperationStore {
  all(): Promise<Operation[]>;
  put(operation: Operation): Promise<void>;
  remove(clientOpId: string): Promise<void>;
}

export type Delivery =
  | { kind: "done"; answer: SubmissionAnswer }
  | { kind: "refused"; problem: ApiProblem }
  | { kind: "later"; because: "offline" | "login" | "busy" };

export type Sender = (operation: Operation) => Promise<Delivery>;

export interface Replay {
  delivered: Map<string, Delivery>;
  /** Why it stopped before the end, or null. */
  stopped: "offline" | "login" | "busy" | null;
}

/** Send what waits for this person, oldest first. Another person's operations stay: nobody signs for somebody else. */
export async function replay(store: OperationStore, userId: number, send: Sender): Promise<Replay> {
  const delivered = new Map<string, Delivery>();
  const waiting = (await store.all())
    .filter((operation) => operation.user_id === userId && operation.refused === null)
    .sort((a, b) => a.created_at - b.created_at);
  for (const operation of waiting) {
    const delivery = await send(operation);
    if (delivery.kind === "later") return { delivered, stopped: delivery.because };
    if (delivery.kind === "done") await store.remove(operation.client_op_id);
    else await store.put({ ...operation, refused: delivery.problem });
    delivered.set(operation.client_op_id, delivery);
  }
  return { delivered, stopped: null };
}

/** What an HTTP status means for an operation: settled, refused, or to be sent again. Status 0: no connection. */
export function outcome(status: number): "done" | "refused" | "offline" | "login" | "busy" {
  if (status === 0) return "offline";
  if (status >= 200 && status < 300) return "done";
  if (status === 401) return "login";
  if (status === 408 || status === 425 || status === 429 || status >= 500) return "busy";
  return "refused";
}

const GONE = ["lease_lost", "not_leased", "already_submitted", "frame_table_changed", "not_found", "no_such_assignment"];
const BARRED = ["own_work", "answers_seen", "step_not_allowed", "no_credential"];

/** True for the code of a refusal that ends the work: it is gone, or this person may not do it any more. */
export const isOver = (code: string): boolean => GONE.includes(code) || BARRED.includes(code);

/** Seconds until the next try after a number of failed ones. */
export const backoff = (failures: number): number => Math.min(30, 2 ** Math.min(failures, 5));

/** A random version-4 UUID; crypto.randomUUID is missing where the page is served without TLS. */
export function newOperationId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
