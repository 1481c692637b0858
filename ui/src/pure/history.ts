// Undo and redo over immutable states. Edits that carry the same label within a short time are one step, so that undo
// takes back a word and not a letter.

const JOIN_MS = 1200;
const MOST = 500;

export interface History<T> {
  past: T[];
  present: T;
  future: T[];
  label: string;
  at: number;
}

export const begin = <T>(present: T): History<T> => ({ past: [], present, future: [], label: "", at: 0 });

/** A new state; `label` "" never joins with the edit before. */
export function edit<T>(history: History<T>, next: T, label: string, now: number): History<T> {
  if (next === history.present) return history;
  const joins = label !== "" && label === history.label && now - history.at < JOIN_MS && history.past.length > 0;
  const past = joins ? history.past : [...history.past, history.present].slice(-MOST);
  return { past, present: next, future: [], label, at: now };
}

export const canUndo = <T>(history: History<T>): boolean => history.past.length > 0;
export const canRedo = <T>(history: History<T>): boolean => history.future.length > 0;

export function undo<T>(history: History<T>): History<T> {
  const previous = history.past.at(-1);
  if (previous === undefined) return history;
  return {
    past: history.past.slice(0, -1),
    present: previous,
    future: [history.present, ...history.future],
    label: "",
    at: 0,
  };
}

export function redo<T>(history: History<T>): History<T> {
  const [next, ...rest] = history.future;
  if (next === undefined) return history;
  return { past: [...history.past, history.present], present: next, future: rest, label: "", at: 0 };
}
