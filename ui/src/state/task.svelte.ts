// Something that a person started and that may fail: whether it is under way, and what went wrong.
import { problemOf } from "../api";
import type { ApiProblem } from "../types";

export class Task {
  busy = $state(false);
  problem = $state.raw<ApiProblem | null>(null);

  /** Do it; true if it went well. */
  async run(work: () => Promise<unknown>): Promise<boolean> {
    this.busy = true;
    this.problem = null;
    try {
      await work();
      return true;
    } catch (error) {
      this.problem = problemOf(error);
      return false;
    } finally {
      this.busy = false;
    }
  }
}
