import type { Field } from "../parts/field";
import type { Work } from "../state/work.svelte";
import type { Edits } from "../types";

/** What every step component gets: the work, and each entry of it as its control needs it. */
export interface StepProps {
  work: Work;
  field: <K extends keyof Edits>(name: K) => Field<Edits[K]>;
}
