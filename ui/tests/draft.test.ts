import { beforeEach, expect, it } from "vitest";
import { DraftSync, type DraftState, type SaveAnswer } from "../src/pure/draft";

let tasks: (() => void)[];
let states: DraftState[];
let kept: { rev: number; body: string; dirty: boolean }[];
let sent: [number, string][];
let answers: SaveAnswer<string>[];

beforeEach(() => {
  tasks = [];
  states = [];
  kept = [];
  sent = [];
  answers = [];
});

function sync(save?: (rev: number, body: string) => Promise<SaveAnswer<string>>): DraftSync<string> {
  return new DraftSync<string>(3, "old", {
    save: save ?? (async (rev, body) => (sent.push([rev, body]), answers.shift() ?? { kind: "saved", rev: rev + 1 })),
    notify: (state) => states.push(state),
    keep: (draft) => kept.push(draft),
    later: (task) => {
      tasks.push(task);
      return () => (tasks = tasks.filter((other) => other !== task));
    },
  });
}

it("saves once for many changes, with the revision it has seen", async () => {
  const draft = sync();
  for (const body of ["a", "ab", "abc"]) draft.change(body);
  expect(tasks).toHaveLength(1);
  expect(kept.at(-1)).toEqual({ rev: 3, body: "abc", dirty: true });
  await draft.flush();
  expect(sent).toEqual([[3, "abc"]]);
  draft.change("abcd");
  await draft.flush();
  expect(sent[1]).toEqual([4, "abcd"]);
  expect(kept.at(-1)).toEqual({ rev: 5, body: "abcd", dirty: false });
});

it("saves again what changed while a save was under way, never two at a time", async () => {
  let release: (answer: SaveAnswer<string>) => void = () => undefined;
  const calls: [number, string][] = [];
  const draft = sync((rev, body) => {
    calls.push([rev, body]);
    return calls.length === 1 ? new Promise((resolve) => (release = resolve)) : Promise.resolve({ kind: "saved", rev: rev + 1 });
  });
  draft.change("a");
  const first = draft.flush();
  draft.change("b");
  const second = draft.flush();
  expect(calls).toEqual([[3, "a"]]);
  release({ kind: "saved", rev: 4 });
  await Promise.all([first, second]);
  expect(calls).toEqual([[3, "a"], [4, "b"]]);
  expect(draft.state).toBe("saved");
});

it("never overwrites a newer draft: it stops, shows both, and goes on with the chosen one", async () => {
  const draft = sync();
  answers.push({ kind: "stale", current: { rev: 9, body: "theirs" } });
  draft.change("mine");
  await draft.flush();
  expect(draft.state).toBe("conflict");
  expect(draft.theirs).toEqual({ rev: 9, body: "theirs" });
  draft.change("mine, more");
  await draft.flush();
  expect(sent).toHaveLength(1);
  await draft.resolve("mine");
  expect(sent[1]).toEqual([9, "mine, more"]);
  expect(draft.state).toBe("saved");
});

it("takes the other version without sending anything", async () => {
  const draft = sync();
  answers.push({ kind: "stale", current: { rev: 9, body: "theirs" } });
  draft.change("mine");
  await draft.flush();
  expect(await draft.resolve("theirs")).toBe("theirs");
  await draft.flush();
  expect(sent).toHaveLength(1);
  expect(draft.revision).toBe(9);
});

it("tries again after a lost connection or login, and keeps the draft here", async () => {
  for (const kind of ["offline", "login"] as const) {
    const draft = sync();
    answers.push({ kind });
    draft.change("a");
    await draft.flush();
    expect(draft.state).toBe(kind);
    expect(kept.at(-1)?.dirty).toBe(true);
    expect(tasks.length).toBeGreaterThan(0);
    await draft.flush();
    expect(draft.state).toBe("saved");
  }
});

it("stops for good when the lease is lost", async () => {
  const draft = sync();
  answers.push({ kind: "lost", message: "gone" });
  draft.change("a");
  await draft.flush();
  draft.change("b");
  await draft.flush();
  expect(sent).toHaveLength(1);
  expect(draft.reason).toBe("gone");
});
