import { expect, it } from "vitest";
import { backoff, isOver, newOperationId, outcome, replay, type Delivery, type Operation, type OperationStore } from "../src/pure/queue";

const operation = (id: string, at: number, user = 1): Operation => ({
  client_op_id: id,
  user_id: user,
  assignment_id: at,
  item_id: at,
  project: "p",
  step: "choice",
  body: { client_op_id: id, fence: 1, payload: {}, frame_table_hash: "h", guideline_version: 1, active_seconds: 1 },
  created_at: at,
  refused: null,
});

function memory(...operations: Operation[]): OperationStore & { map: Map<string, Operation> } {
  const map = new Map(operations.map((entry) => [entry.client_op_id, entry]));
  return {
    map,
    all: async () => [...map.values()],
    put: async (entry) => void map.set(entry.client_op_id, entry),
    remove: async (id) => void map.delete(id),
  };
}

const done: Delivery = { kind: "done", answer: { id: 1, next_step: null } };

it("sends oldest first and removes only what the server has answered", async () => {
  const store = memory(operation("b", 2), operation("a", 1));
  const sent: string[] = [];
  const result = await replay(store, 1, async (entry) => {
    expect(store.map.has(entry.client_op_id)).toBe(true);
    sent.push(entry.client_op_id);
    return done;
  });
  expect(sent).toEqual(["a", "b"]);
  expect(store.map.size).toBe(0);
  expect(result.stopped).toBeNull();
});

it("stops at the first failure of the connection and keeps the rest, in order", async () => {
  const store = memory(operation("a", 1), operation("b", 2), operation("c", 3));
  const result = await replay(store, 1, async (entry) =>
    entry.client_op_id === "a" ? done : { kind: "later", because: "offline" },
  );
  expect(result.stopped).toBe("offline");
  expect([...store.map.keys()]).toEqual(["b", "c"]);
});

it("keeps what was refused, with the reason, and never sends it again", async () => {
  const store = memory(operation("a", 1), operation("b", 2));
  const problem = { code: "lease_lost", message: "gone", hint: "" };
  const send = async (entry: Operation): Promise<Delivery> =>
    entry.client_op_id === "a" ? { kind: "refused", problem } : done;
  await replay(store, 1, send);
  expect(store.map.get("a")?.refused).toEqual(problem);
  expect(store.map.has("b")).toBe(false);
  expect((await replay(store, 1, send)).delivered.size).toBe(0);
});

it("never sends one person's work under another one's login", async () => {
  const store = memory(operation("a", 1, 1), operation("b", 2, 2));
  const sent: string[] = [];
  await replay(store, 2, async (entry) => (sent.push(entry.client_op_id), done));
  expect(sent).toEqual(["b"]);
  expect([...store.map.keys()]).toEqual(["a"]);
});

it("tells what to send again from what is settled", () => {
  expect([0, 200, 201, 401, 429, 500, 503, 409, 404, 422].map(outcome)).toEqual([
    "offline",
    "done",
    "done",
    "login",
    "busy",
    "busy",
    "busy",
    "refused",
    "refused",
    "refused",
  ]);
});

it("tells a refusal that ends the work from one that can be put right", () => {
  expect(["lease_lost", "no_such_assignment", "no_credential", "answers_seen"].filter(isOver)).toHaveLength(4);
  expect(["invalid_payload", "csrf", "offline", "busy"].filter(isOver)).toEqual([]);
});

it("waits longer after each failure, but never longer than half a minute", () => {
  expect([0, 1, 2, 3, 9].map(backoff)).toEqual([1, 2, 4, 8, 30]);
});

it("makes version-4 ids without a secure context", () => {
  const ids = new Set(Array.from({ length: 200 }, newOperationId));
  expect(ids.size).toBe(200);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
