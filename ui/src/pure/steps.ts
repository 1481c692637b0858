// What each step asks for: from what a person entered to the payload that the server takes, or what is still missing.
import type { Assignment, Edits } from "../types";

export interface Missing {
  field: string;
  message: string;
}

export type Built = { payload: Record<string, unknown> } | { missing: Missing[] };

export const TITLES: Record<string, string> = {
  question_check: "Check the question",
  blind_answer: "Answer in your own words",
  compare: "Compare with the proposal",
  distractor: "Judge the wrong answer",
  choice: "Choose the answer",
  choice_after: "Choose again, with the proposal",
  ceiling: "Choose the answer",
  review: "Review",
  expert: "Decide as the expert",
};

/** Title -> its steps. Those of one title are one kind of work: nobody is to know which choice is asked afresh. */
export function kindsOf(steps: string[]): Map<string, string[]> {
  const kinds = new Map<string, string[]>();
  for (const step of steps) {
    const title = TITLES[step] ?? step;
    kinds.set(title, [...(kinds.get(title) ?? []), step]);
  }
  return kinds;
}

export const QUESTION_VERDICTS = [
  { value: "valid", title: "Valid", hint: "clear, and only the footage can answer it" },
  { value: "fixable", title: "Fixable", hint: "valid once the wording is changed" },
  { value: "invalid", title: "Invalid", hint: "cannot be used" },
];

export const QUESTION_REASONS = [
  { value: "not_visible", title: "Not visible" },
  { value: "ambiguous", title: "Ambiguous" },
  { value: "leading", title: "Leading" },
  { value: "answerable_without_video", title: "Answerable without the video" },
  { value: "other", title: "Other (say it in the note)" },
];

export const DISTRACTOR_VERDICTS = [
  { value: "certainly_false", title: "Certainly false", hint: "the footage rules it out" },
  { value: "could_be_true", title: "Could be true", hint: "the footage does not rule it out" },
  { value: "nonsense", title: "Nonsense", hint: "nobody would believe it" },
];

export const REVIEW_VERDICTS = [
  { value: "accept", title: "Accept", hint: "right as it is" },
  { value: "rework", title: "Rework", hint: "somebody should do it again" },
  { value: "reject", title: "Reject", hint: "leave this item out" },
];

/** The options of an item as they are chosen: by number. */
export const numbered = (options: string[] | null | undefined): { value: number; title: string }[] =>
  (options ?? []).map((title, value) => ({ value, title }));

export const emptyEdits = (): Edits => ({
  verdict: null,
  question: "",
  reason: null,
  reasons: [],
  answer: "",
  evidence: null,
  boxes: [],
  choice: null,
  proposal_id: null,
  same_meaning: null,
  others: [],
  merged: "",
  rationale: "",
  cites: [],
  unsure: false,
  note: "",
});

type Check = (value: unknown) => boolean;
const isText: Check = (value) => typeof value === "string";
const isNumber: Check = (value) => typeof value === "number" && Number.isFinite(value);
const isFlag: Check = (value) => typeof value === "boolean";
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const isRecord =
  (fields: Record<string, Check>): Check =>
  (value) =>
    typeof value === "object" &&
    value !== null &&
    Object.entries(fields).every(([name, check]) => check((value as Record<string, unknown>)[name]));

const KINDS: Record<keyof Edits, Check> = {
  verdict: orNull(isText),
  question: isText,
  reason: orNull(isText),
  reasons: listOf(isText),
  answer: isText,
  evidence: orNull(isRecord({ start: isNumber, end: isNumber })),
  boxes: listOf(isRecord({ frame: isNumber, box: listOf(isNumber) })),
  choice: orNull(isNumber),
  proposal_id: orNull(isNumber),
  same_meaning: orNull(isFlag),
  others: listOf(isRecord({ submission_id: isNumber, same_meaning: isFlag })),
  merged: isText,
  rationale: isText,
  cites: listOf(isNumber),
  unsure: isFlag,
  note: isText,
};

/** A stored draft read again: known fields of the right kind only, the rest empty. */
export function readEdits(body: unknown): Edits {
  const edits = emptyEdits();
  if (typeof body !== "object" || body === null) return edits;
  for (const [key, check] of Object.entries(KINDS)) {
    const value = (body as Record<string, unknown>)[key];
    if (check(value)) Object.assign(edits, { [key]: value });
  }
  return edits;
}

/** True where the step has an evidence interval to set. */
export const hasEvidence = (step: string): boolean =>
  ["blind_answer", "choice", "choice_after", "review"].includes(step);
export const hasBoxes = (step: string): boolean => step === "blind_answer";
export const hasUnsure = (step: string): boolean =>
  ["question_check", "blind_answer", "distractor", "choice", "choice_after"].includes(step);
/** Steps without a lease of their own: the first answer is in already. */
export const isAfter = (step: string): boolean => step === "choice_after";
export const hasNote = (step: string): boolean => step !== "ceiling" && step !== "expert";

/** The number of options that the digit keys choose from. */
export function pickable(step: string, assignment: Assignment): number {
  if (step === "compare") return 2;
  if (["question_check", "distractor", "review"].includes(step)) return 3;
  if (step === "expert" && expertAsks(assignment) !== "choice") return expertAsks(assignment) === "verdict" ? 3 : 0;
  return ["choice", "choice_after", "ceiling", "expert"].includes(step) ? (assignment.item.options?.length ?? 0) : 0;
}

/** What the n-th digit key (from 0) sets. */
export function pick(step: string, index: number, about: string | null = null): Partial<Edits> {
  const asked = step === "expert" ? about : step;
  if (asked === "question_check") return { verdict: QUESTION_VERDICTS[index]?.value ?? null };
  if (asked === "distractor") return { verdict: DISTRACTOR_VERDICTS[index]?.value ?? null };
  if (asked === "review") return { verdict: REVIEW_VERDICTS[index]?.value ?? null };
  if (asked === "compare") return { same_meaning: index === 0 };
  return { choice: index };
}

const text = (value: string): string | null => value.trim() || null;

type Builder = (edits: Edits, assignment: Assignment, isVideo: boolean, others: number[]) => Built;

function checked(payload: Record<string, unknown>, ...rules: [boolean, string, string][]): Built {
  const missing = rules.filter(([bad]) => bad).map(([, field, message]) => ({ field, message }));
  return missing.length ? { missing } : { payload: { schema_version: 1, ...payload } };
}

const BUILDERS: Record<string, Builder> = {
  question_check: (edits, assignment) => {
    const fixed = text(edits.question);
    return checked(
      {
        verdict: edits.verdict,
        question: edits.verdict === "fixable" ? fixed : null,
        reason: edits.verdict === "invalid" ? edits.reason : null,
        unsure: edits.unsure,
        note: edits.note,
      },
      [!edits.verdict, "verdict", "Say whether the question is valid."],
      [
        edits.verdict === "fixable" && (!fixed || fixed === assignment.item.question),
        "question",
        "Write the question as it should be.",
      ],
      [edits.verdict === "invalid" && !edits.reason, "reason", "Say why the question is invalid."],
      [edits.verdict === "invalid" && edits.reason === "other" && !text(edits.note), "note", "Say the reason here."],
    );
  },
  blind_answer: (edits, _assignment, isVideo) =>
    checked(
      {
        answer: edits.answer.trim(),
        evidence: edits.evidence ?? { start: 0, end: 1 },
        boxes: edits.boxes,
        unsure: edits.unsure,
        note: edits.note,
      },
      [!text(edits.answer), "answer", "Write an answer."],
      [isVideo && !edits.evidence, "evidence", "Set the evidence interval: where the footage shows the answer."],
    ),
  // The page presets the proposal; null means that the item has none, and only other people's answers are compared.
  compare: (edits, _assignment, _isVideo, others) => {
    const judged = edits.others.filter(({ submission_id }) => others.includes(submission_id));
    const hasProposal = edits.proposal_id !== null;
    return checked(
      {
        proposal_id: edits.proposal_id,
        same_meaning: hasProposal ? edits.same_meaning : judged.some(({ same_meaning }) => same_meaning),
        others: judged,
        merged: text(edits.merged),
        note: edits.note,
      },
      [hasProposal && edits.same_meaning === null, "same_meaning", "Say whether both mean the same."],
      [judged.length < others.length, "others", "Say of each other answer whether it means the same as yours."],
    );
  },
  distractor: (edits, assignment) =>
    checked(
      {
        distractor_id: assignment.item.distractor?.id ?? null,
        verdict: edits.verdict,
        unsure: edits.unsure,
        note: edits.note,
      },
      [!edits.verdict, "verdict", "Say what the footage says about this answer."],
    ),
  choice: (edits) =>
    checked(
      { choice: edits.choice, unsure: edits.unsure, evidence: edits.evidence, note: edits.note },
      [edits.choice === null, "choice", "Choose an option."],
    ),
  ceiling: (edits) => checked({ choice: edits.choice }, [edits.choice === null, "choice", "Choose an option."]),
  review: (edits) =>
    checked(
      { verdict: edits.verdict, reasons: edits.reasons, note: edits.note, anchor: edits.evidence },
      [!edits.verdict, "verdict", "Accept, send back or reject."],
      [
        edits.verdict !== null && edits.verdict !== "accept" && edits.reasons.length === 0,
        "reasons",
        "Give at least one reason.",
      ],
    ),
  expert: (edits, assignment) => {
    const asked = expertAsks(assignment);
    const isInvalid = edits.verdict === "invalid";
    const rewords = asked === "verdict" && edits.verdict === "fixable";
    const wantsAnswer = rewords || (asked === "answer" && !isInvalid);
    const wantsChoice = asked === "choice" && !isInvalid;
    return checked(
      {
        answer: wantsAnswer ? text(edits.answer) : null,
        choice: wantsChoice ? edits.choice : null,
        verdict: asked === "verdict" || isInvalid ? edits.verdict : null,
        rationale: edits.rationale.trim(),
        reason: edits.reason,
        cites: edits.cites,
      },
      [wantsChoice && edits.choice === null, "choice", "Choose an option."],
      [asked === "verdict" && !edits.verdict, "verdict", "Give your verdict."],
      [wantsAnswer && !text(edits.answer), "answer", rewords ? "Write the question as it should be." : "Write the answer."],
      [!text(edits.rationale), "rationale", "Say why: the rationale is kept with the item."],
      [!edits.reason, "reason", "Choose the reason code."],
    );
  },
};
BUILDERS.choice_after = BUILDERS.choice as Builder;

/** What the expert decides: whatever the people who split were asked. */
export function expertAsks(assignment: Assignment): "choice" | "verdict" | "answer" {
  const about = assignment.item.about;
  if (about === "choice") return "choice";
  return about === "blind_answer" ? "answer" : "verdict";
}

/** `others`: the answers of other people that were shown, by submission id. */
export function build(
  step: string,
  edits: Edits,
  assignment: Assignment,
  isVideo: boolean,
  others: number[] = [],
): Built {
  const builder = BUILDERS[step];
  if (!builder) return { missing: [{ field: "step", message: `This page does not know the step "${step}".` }] };
  return builder(edits, assignment, isVideo, others);
}

/** The work as plain text, for the clipboard when the server does not take it any more. */
export function asText(step: string, edits: Edits, assignment: Assignment): string {
  const entered = Object.entries(edits).filter(
    ([, value]) => !(value === null || value === "" || value === false || (Array.isArray(value) && !value.length)),
  );
  const lines = entered.map(([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
  return [`item ${assignment.item.id}, ${step}`, assignment.item.question, ...lines].join("\n");
}
