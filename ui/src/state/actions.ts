// What each shortcut does to the work. The screen catches the keys; the table of keys is in pure/keys.
import { middleBox, moveBox, resizeBox, type FrameBox } from "../pure/boxes";
import { endAt, startAt } from "../pure/interval";
import { nameOf, type KeyPress } from "../pure/keys";
import { hasBoxes, hasEvidence, hasUnsure, pick, pickable } from "../pure/steps";
import type { Work } from "./work.svelte";

type Action = (work: Work, press: KeyPress) => void | Promise<void>;

const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
const PANS: Record<string, [number, number]> = { h: [60, 0], l: [-60, 0], j: [0, -60], k: [0, 60] };

/** One step of a box by keyboard: a hundredth of the picture, at least a pixel. */
const nudge = (length: number): number => Math.max(1, Math.round(length / 100));

function focusField(...fields: string[]): void {
  for (const field of fields) {
    const found = document.querySelector<HTMLElement>(`[data-field="${field}"]`);
    if (found) return found.focus();
  }
}

function evidence(work: Work, set: typeof startAt): void {
  const viewer = work.viewer;
  if (!viewer?.isVideo || viewer.marked < 0 || !hasEvidence(work.step)) return;
  work.set({ evidence: set(work.edits.evidence, viewer.marked, viewer.numFrames) });
}

function boxes(work: Work, change: (boxes: FrameBox[], selected: number | null) => FrameBox[], label = ""): void {
  const viewer = work.viewer;
  if (!viewer || viewer.marked < 0 || !hasBoxes(work.step)) return;
  const next = change(work.edits.boxes, viewer.selected);
  if (next !== work.edits.boxes) work.set({ boxes: next }, label);
}

function adjust(work: Work, press: KeyPress, resize: boolean): void {
  const viewer = work.viewer;
  const arrow = ARROWS[press.key];
  if (!viewer || !arrow) return;
  const [dx, dy] = [arrow[0] * nudge(viewer.source.width), arrow[1] * nudge(viewer.source.height)];
  boxes(
    work,
    (all, selected) => {
      const box = selected === null ? undefined : all[selected];
      if (selected === null || !box) return all;
      const moved = resize ? resizeBox(box.box, "se", dx, dy, viewer.source) : moveBox(box.box, dx, dy, viewer.source);
      return all.with(selected, { ...box, box: moved });
    },
    resize ? "size-box" : "move-box",
  );
}

function addBox(work: Work): void {
  boxes(work, (all) => {
    const viewer = work.viewer as NonNullable<Work["viewer"]>;
    viewer.selected = all.length;
    return [...all, { frame: viewer.marked, box: middleBox(viewer.source) }];
  });
}

function selectNext(work: Work): void {
  const viewer = work.viewer;
  if (!viewer) return;
  const here = work.edits.boxes.flatMap((box, index) => (box.frame === viewer.marked ? [index] : []));
  const at = here.indexOf(viewer.selected ?? -1);
  viewer.selected = here.length ? (here[(at + 1) % here.length] as number) : null;
}

function copyBoxes(work: Work): void {
  boxes(work, (all) => {
    const frame = (work.viewer as NonNullable<Work["viewer"]>).marked;
    const earlier = Math.max(-1, ...all.map((box) => box.frame).filter((other) => other < frame));
    const copies = all.filter((box) => box.frame === earlier).map((box) => ({ ...box, frame }));
    return copies.length ? [...all, ...copies] : all;
  });
}

function deleteBox(work: Work): void {
  boxes(work, (all, selected) => {
    if (selected === null) return all;
    (work.viewer as NonNullable<Work["viewer"]>).selected = null;
    return all.filter((_, index) => index !== selected);
  });
}

export const ACTIONS: Record<string, Action> = {
  submit: (work) => work.submit(),
  undo: (work) => work.undo(),
  redo: (work) => work.redo(),
  save: (work) => work.saveNow(),
  pick: (work, press) => {
    const index = Number(press.key) - 1;
    if (work.assignment && index < pickable(work.step, work.assignment)) {
      work.set(pick(work.step, index, work.assignment.item.about));
    }
  },
  unsure: (work) => {
    if (hasUnsure(work.step)) work.set({ unsure: !work.edits.unsure });
  },
  answer: () => focusField("answer", "question", "merged", "rationale", "note"),
  note: () => focusField("note", "rationale"),
  previous: (work) => work.viewer?.step(-1),
  next: (work) => work.viewer?.step(1),
  back: (work) => work.viewer?.step(-10),
  forward: (work) => work.viewer?.step(10),
  "second-back": (work) => work.viewer?.stepSeconds(-1),
  "second-on": (work) => work.viewer?.stepSeconds(1),
  first: (work) => work.viewer?.go(0),
  last: (work) => work.viewer?.go(Number.MAX_SAFE_INTEGER),
  jump: () => document.querySelector<HTMLElement>("[data-jump]")?.focus(),
  play: (work) => work.viewer?.toggle(),
  slower: (work) => work.viewer?.speed(-1),
  faster: (work) => work.viewer?.speed(1),
  start: (work) => evidence(work, startAt),
  end: (work) => evidence(work, endAt),
  "to-start": (work) => {
    if (work.edits.evidence) work.viewer?.go(work.edits.evidence.start);
  },
  "to-end": (work) => {
    if (work.edits.evidence) work.viewer?.go(work.edits.evidence.end - 1);
  },
  clear: (work) => {
    if (work.edits.evidence) work.set({ evidence: null });
  },
  box: addBox,
  select: selectNext,
  "move-box": (work, press) => adjust(work, press, false),
  "size-box": (work, press) => adjust(work, press, true),
  "copy-box": copyBoxes,
  "delete-box": deleteBox,
  "zoom-in": (work) => work.viewer?.zoom(1.4),
  "zoom-out": (work) => work.viewer?.zoom(1 / 1.4),
  fit: (work) => work.viewer?.fit(),
  pan: (work, press) => work.viewer?.pan(...(PANS[nameOf(press)] as [number, number])),
  "line-in": (work) => work.viewer?.zoomLine(1 / 1.5),
  "line-out": (work) => work.viewer?.zoomLine(1.5),
};
