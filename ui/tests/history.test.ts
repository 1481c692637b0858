import { expect, it } from "vitest";
import { begin, canRedo, canUndo, edit, redo, undo } from "../src/pure/history";

it("takes back and does again, to the first state and no further", () => {
  let history = begin("a");
  history = edit(history, "b", "", 0);
  history = edit(history, "c", "", 0);
  history = undo(undo(undo(history)));
  expect(history.present).toBe("a");
  expect(canUndo(history)).toBe(false);
  history = redo(redo(redo(history)));
  expect(history.present).toBe("c");
  expect(canRedo(history)).toBe(false);
});

it("joins quick edits of one kind into one step, and only those", () => {
  let history = begin("");
  for (const [text, at] of [["h", 0], ["hi", 200], ["hi ", 3000], ["hi y", 3200]] as const) {
    history = edit(history, text, "answer", at);
  }
  history = edit(history, "hi y!", "note", 3300);
  expect((history = undo(history)).present).toBe("hi y");
  expect((history = undo(history)).present).toBe("hi");
  expect((history = undo(history)).present).toBe("");
});

it("starts a new step after undo, and forgets what was undone", () => {
  let history = edit(begin(0), 1, "x", 0);
  history = undo(history);
  history = edit(history, 2, "x", 10);
  expect(canRedo(history)).toBe(false);
  expect(undo(history).present).toBe(0);
});

it("does not count the same state twice", () => {
  const history = edit(begin(1), 2, "", 0);
  expect(edit(history, 2, "", 5)).toBe(history);
});
