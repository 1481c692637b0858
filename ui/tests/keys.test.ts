import { expect, it } from "vitest";
import { keyLabel, nameOf, SHORTCUTS, shortcutOf, shortcutsWith, type Focus, type KeyPress } from "../src/pure/keys";

const press = (key: string, ...held: ("ctrl" | "meta" | "alt" | "shift")[]): KeyPress => ({
  key,
  ctrlKey: held.includes("ctrl"),
  metaKey: held.includes("meta"),
  altKey: held.includes("alt"),
  shiftKey: held.includes("shift"),
});
const found = (key: KeyPress, focus: Focus = "free", singleKeys = true): string | undefined =>
  shortcutOf(key, focus, singleKeys)?.id;

it("names keys as they are typed", () => {
  expect(nameOf(press("?", "shift"))).toBe("?");
  expect(nameOf(press("Z", "ctrl", "shift"))).toBe("Ctrl+Shift+z");
  expect(nameOf(press("z", "meta"))).toBe("Ctrl+z");
  expect(nameOf(press("ArrowLeft", "alt", "shift"))).toBe("Alt+Shift+ArrowLeft");
});

it("leaves a key to the control that needs it", () => {
  expect(found(press("a"))).toBe("answer");
  expect(found(press("a"), "text")).toBeUndefined();
  expect(found(press("Enter", "ctrl"), "text")).toBe("submit");
  expect(found(press("Escape"), "text")).toBe("leave");
  expect(found(press("ArrowLeft"), "arrows")).toBeUndefined();
  expect(found(press("ArrowLeft", "alt"), "arrows")).toBe("move-box");
  expect(found(press(" "), "button")).toBeUndefined();
  expect(found(press(" "))).toBe("play");
  expect(found(press("2"), "arrows")).toBe("pick");
});

it("switches off every key that prints a character, and no other", () => {
  expect(found(press("b"), "free", false)).toBeUndefined();
  expect(found(press("?", "shift"), "free", false)).toBeUndefined();
  expect(found(press("ArrowRight"), "free", false)).toBe("next");
  expect(found(press("z", "ctrl"), "free", false)).toBe("undo");
});

it("gives every key to one shortcut", () => {
  const keys = SHORTCUTS.flatMap((shortcut) => shortcut.keys);
  expect(new Set(keys).size).toBe(keys.length);
  expect(new Set(SHORTCUTS.map(({ id }) => id)).size).toBe(SHORTCUTS.length);
});

it("puts a pack's keys first and takes them from whatever had them", () => {
  const mine = shortcutsWith({ guideline: "g", next_second: "Shift+ArrowRight", play: "Space", submit: "ctrl+Enter" });
  const keys = (id: string): string[] | undefined => mine.find((shortcut) => shortcut.id === id)?.keys;
  expect(keys("guideline")).toEqual(["g", "i"]);
  expect(keys("jump")).toEqual(["t"]);
  expect(keys("second-on")).toEqual(["Shift+ArrowRight", "Shift+PageDown"]);
  expect(keys("forward")).toEqual(["PageDown"]);
  expect(keys("play")).toEqual([" "]);
  expect(keys("submit")).toEqual(["Ctrl+Enter"]);
  expect(shortcutOf(press("g"), "free", true, mine)?.id).toBe("guideline");
  expect(mine.filter((shortcut) => !shortcut.keys.length)).toEqual([]);
  expect(shortcutsWith({})).toEqual(SHORTCUTS);
});

it("writes keys for people", () => {
  expect(["Ctrl+Enter", "Ctrl+Shift+z", "Alt+ArrowLeft", "+", "b", " "].map(keyLabel)).toEqual([
    "Ctrl Enter",
    "Ctrl Shift Z",
    "Alt ←",
    "+",
    "b",
    "Space",
  ]);
});
