import type { Work } from "../state/work.svelte";

/** What every step component gets: the work, and the message about a field that is missing or refused ("" if none). */
export interface StepProps {
  work: Work;
  error: (field: string) => string;
}
