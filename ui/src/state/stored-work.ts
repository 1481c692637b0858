// What the server and this browser keep of a piece of work, read again.
import { readEdits } from "../pure/steps";
import type { Assignment, Edits } from "../types";

export interface DraftBody {
  step: string;
  edits: Edits;
}

/** A stored draft of this step; one of another step (or of none) counts as empty. */
export function readDraft(body: unknown, step: string, blank: Edits): DraftBody {
  const found = body as Partial<DraftBody> | null | undefined;
  if (!found || found.step !== step) return { step, edits: blank };
  return { step, edits: readEdits(found.edits) };
}

/** After a reload the server's history holds the blind answer that this person has handed in. */
export function ownAnswerIn(assignment: Assignment): string {
  const mine = assignment.item.history.findLast((entry) => entry.is_own && entry.step === "blind_answer");
  return typeof mine?.payload.answer === "string" ? mine.payload.answer : "";
}

