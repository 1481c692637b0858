// Keyboard shortcuts: one table for the handler, the help overlay and the documentation. Keys without Ctrl or Cmd are
// off while a person types in a field; those that print a character can be switched off altogether.

export interface Shortcut {
  /** "Ctrl+Enter", "Shift+ArrowLeft", "b"; Ctrl also means Cmd. A printable key names what is typed, Shift included. */
  keys: string[];
  id: string;
  group: "Work" | "Frames" | "Evidence" | "Boxes" | "View";
  what: string;
}

export const SHORTCUTS: Shortcut[] = [
  { id: "submit", keys: ["Ctrl+Enter"], group: "Work", what: "Submit" },
  { id: "undo", keys: ["Ctrl+z"], group: "Work", what: "Undo" },
  { id: "redo", keys: ["Ctrl+Shift+z", "Ctrl+y"], group: "Work", what: "Redo" },
  { id: "save", keys: ["Ctrl+s"], group: "Work", what: "Save the draft now" },
  { id: "pick", keys: ["1", "2", "3", "4", "5", "6", "7", "8", "9"], group: "Work", what: "Choose the n-th option" },
  { id: "unsure", keys: ["u"], group: "Work", what: "Mark as unsure" },
  { id: "answer", keys: ["a"], group: "Work", what: "Go to the main text field" },
  { id: "note", keys: ["m"], group: "Work", what: "Go to the note" },
  { id: "leave", keys: ["Escape"], group: "Work", what: "Leave a field, close a dialog, deselect" },
  { id: "guideline", keys: ["i"], group: "Work", what: "Show or hide the guideline" },
  { id: "help", keys: ["?"], group: "Work", what: "Show or hide this help" },

  { id: "previous", keys: ["ArrowLeft", ","], group: "Frames", what: "Previous frame" },
  { id: "next", keys: ["ArrowRight", "."], group: "Frames", what: "Next frame" },
  { id: "back", keys: ["Shift+ArrowLeft", "PageUp"], group: "Frames", what: "Ten frames back" },
  { id: "forward", keys: ["Shift+ArrowRight", "PageDown"], group: "Frames", what: "Ten frames on" },
  { id: "second-back", keys: ["Shift+PageUp"], group: "Frames", what: "One second back" },
  { id: "second-on", keys: ["Shift+PageDown"], group: "Frames", what: "One second on" },
  { id: "first", keys: ["Home"], group: "Frames", what: "First frame" },
  { id: "last", keys: ["End"], group: "Frames", what: "Last frame" },
  { id: "jump", keys: ["g", "t"], group: "Frames", what: "Go to a frame or time" },
  { id: "play", keys: [" "], group: "Frames", what: "Play or pause" },
  { id: "slower", keys: ["<"], group: "Frames", what: "Slower" },
  { id: "faster", keys: [">"], group: "Frames", what: "Faster" },

  { id: "start", keys: ["["], group: "Evidence", what: "Evidence starts at this frame" },
  { id: "end", keys: ["]"], group: "Evidence", what: "Evidence ends with this frame" },
  { id: "to-start", keys: ["{"], group: "Evidence", what: "Go to the first frame of the evidence" },
  { id: "to-end", keys: ["}"], group: "Evidence", what: "Go to the last frame of the evidence" },
  { id: "clear", keys: ["\\"], group: "Evidence", what: "Remove the evidence interval" },

  { id: "box", keys: ["b"], group: "Boxes", what: "New box on this frame" },
  { id: "select", keys: ["n"], group: "Boxes", what: "Select the next box of this frame" },
  {
    id: "move-box",
    keys: ["Alt+ArrowLeft", "Alt+ArrowRight", "Alt+ArrowUp", "Alt+ArrowDown"],
    group: "Boxes",
    what: "Move the selected box",
  },
  {
    id: "size-box",
    keys: ["Alt+Shift+ArrowLeft", "Alt+Shift+ArrowRight", "Alt+Shift+ArrowUp", "Alt+Shift+ArrowDown"],
    group: "Boxes",
    what: "Resize the selected box",
  },
  { id: "copy-box", keys: ["c"], group: "Boxes", what: "Copy the boxes of the nearest earlier frame to this one" },
  { id: "delete-box", keys: ["Delete", "Backspace"], group: "Boxes", what: "Delete the selected box" },

  { id: "zoom-in", keys: ["+", "="], group: "View", what: "Zoom into the picture" },
  { id: "zoom-out", keys: ["-"], group: "View", what: "Zoom out" },
  { id: "fit", keys: ["0"], group: "View", what: "Fit the picture" },
  { id: "pan", keys: ["h", "j", "k", "l"], group: "View", what: "Pan left, down, up, right" },
  { id: "line-in", keys: ["x"], group: "View", what: "Zoom into the timeline" },
  { id: "line-out", keys: ["z"], group: "View", what: "Zoom out of the timeline" },
];

/** What packs call some of the shortcuts (`perceptlm.annotate.packs.pack.Shortcut`). */
const PACK_NAMES: Record<string, string> = {
  next_frame: "next",
  previous_frame: "previous",
  next_second: "second-on",
  previous_second: "second-back",
  play: "play",
  set_start: "start",
  set_end: "end",
  submit: "submit",
  unsure: "unsure",
  undo: "undo",
  redo: "redo",
  guideline: "guideline",
};

/** The table with the keys of a pack: each comes first in its row, and is taken from the row that had it. */
export function shortcutsWith(pack: Record<string, string>): Shortcut[] {
  const given = new Map(
    Object.entries(pack).flatMap(([name, key]) => (PACK_NAMES[name] ? [[PACK_NAMES[name], packKey(key)]] : [])),
  );
  const taken = [...given.values()];
  return SHORTCUTS.map((shortcut) => {
    const own = shortcut.keys.filter((key) => !taken.includes(key));
    const key = given.get(shortcut.id);
    return { ...shortcut, keys: key === undefined ? own : [key, ...own] };
  });
}

/** A key as packs write it ("Shift+ArrowLeft", "Space", "g") as the table writes it. */
function packKey(text: string): string {
  const parts = text.split("+").map((part) => part.trim());
  const held = (name: string): boolean => parts.slice(0, -1).some((part) => part.toLowerCase() === name);
  const last = parts.at(-1) || "+";
  return nameOf({
    key: last === "Space" ? " " : last.length === 1 && held("shift") ? last.toUpperCase() : last,
    ctrlKey: held("ctrl") || held("cmd"),
    metaKey: false,
    altKey: held("alt"),
    shiftKey: held("shift"),
  });
}

export interface KeyPress {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
}

/** The name of a key press as the table writes it. */
export function nameOf(press: KeyPress): string {
  const printable = press.key.length === 1;
  const ctrl = press.ctrlKey || press.metaKey;
  const key = printable && (ctrl || press.altKey) ? press.key.toLowerCase() : press.key;
  // Shift already shows in a printable key ("?", "["), except beside Ctrl and Alt.
  const shift = press.shiftKey && (!printable || ctrl || press.altKey);
  return [ctrl && "Ctrl", press.altKey && "Alt", shift && "Shift", key].filter(Boolean).join("+");
}

/** What has the focus: a text field takes every key; a slider, a radio or a text to scroll the arrows; a button Space. */
export type Focus = "text" | "arrows" | "button" | "free";

const ARROWS = /^(Shift\+)?(Arrow\w+|Page\w+|Home|End| )$/;

/** The shortcut of a key press, or null where the focused control needs the key itself or single keys are off. */
export function shortcutOf(
  press: KeyPress,
  focus: Focus,
  singleKeys: boolean,
  shortcuts: Shortcut[] = SHORTCUTS,
): Shortcut | null {
  const name = nameOf(press);
  if (!name.startsWith("Ctrl+") && name !== "Escape") {
    if (focus === "text") return null;
    if (focus === "arrows" && ARROWS.test(name)) return null;
    if (focus === "button" && name === " ") return null;
    if (!singleKeys && name.length === 1 && name !== " ") return null;
  }
  return shortcuts.find((shortcut) => shortcut.keys.includes(name)) ?? null;
}

/** How a key is written for people. */
export function keyLabel(name: string): string {
  const words: Record<string, string> = {
    " ": "Space",
    ArrowLeft: "←",
    ArrowRight: "→",
    ArrowUp: "↑",
    ArrowDown: "↓",
    PageUp: "Page Up",
    PageDown: "Page Down",
    Escape: "Esc",
  };
  const last = name.endsWith("++") || name === "+" ? "+" : (name.split("+").at(-1) ?? name);
  const before = name === last ? [] : name.slice(0, name.length - last.length - 1).split("+");
  const shown = words[last] ?? (before.length && last.length === 1 ? last.toUpperCase() : last);
  return [...before, shown].join(" ");
}
