// One piece of work in the page: the lease, what the person enters (with undo), its draft, its submission. What the
// person entered is never thrown away by this module: it stays on screen, in IndexedDB, or both.
import { api, ApiError, problemOf } from "../api";
import { DraftSync, type DraftState, type SaveAnswer, type Versioned } from "../pure/draft";
import * as history from "../pure/history";
import { isOver, newOperationId, type Delivery } from "../pure/queue";
import { build, emptyEdits, isAfter, type Missing } from "../pure/steps";
import type { ApiProblem, Assignment, Edits, Guideline, OtherAnswer, Project, Proposal, Told } from "../types";
import { ActiveTime } from "./active-time";
import { announcer } from "./announcer.svelte";
import { outbox } from "./outbox.svelte";
import { session } from "./session.svelte";
import { ownAnswerIn, readDraft, type DraftBody } from "./stored-work";
import { drafts, type LocalDraft } from "./storage";
import { Viewer } from "./viewer.svelte";

export type Phase = "idle" | "loading" | "working" | "submitting" | "queued" | "told" | "none" | "lost";

export class Work {
  readonly project: Project;
  phase = $state<Phase>("idle");
  assignment = $state.raw<Assignment | null>(null);
  step = $state("");
  guideline = $state.raw<Guideline | null>(null);
  viewer = $state.raw<Viewer | null>(null);
  proposals = $state.raw<Proposal[]>([]);
  others = $state.raw<OtherAnswer[]>([]);
  draftState = $state<DraftState>("clean");
  theirs = $state.raw<Versioned<DraftBody> | null>(null);
  missing = $state.raw<Missing[]>([]);
  problem = $state.raw<ApiProblem | null>(null);
  /** Why the lease was lost. */
  lost = $state("");
  elsewhere = $state(false);
  /** Whether no work came because this person is paused in the project. */
  isPaused = $state(false);
  /** What is told of a calibration item that was just submitted, until the person goes on. */
  told = $state.raw<Told | null>(null);
  /** What this person answered blind, shown again beside the proposal. */
  ownAnswer = $state("");
  private past = $state.raw(history.begin(emptyEdits()));
  private sync: DraftSync<DraftBody> | null = null;
  private steps: string[] | null = null;
  private operation = "";
  private last: Viewer | null = null;
  time = new ActiveTime();
  private beat: ReturnType<typeof setInterval> | undefined;
  private channel: BroadcastChannel | null = null;
  private stopListening: () => void;

  constructor(project: Project) {
    this.project = project;
    this.stopListening = outbox.onDelivery((id, delivery) => void this.delivered(id, delivery));
    if ("BroadcastChannel" in window) {
      this.channel = new BroadcastChannel("perceptlm-annotate");
      this.channel.onmessage = (event: MessageEvent<{ kind: string; assignment: number }>) => {
        if (event.data.assignment !== this.assignment?.id) return;
        if (event.data.kind === "done") void this.lose("This work was finished in another tab.");
        else this.elsewhere = true;
        if (event.data.kind === "open") this.tell("here");
      };
    }
  }

  get edits(): Edits {
    return this.past.present;
  }
  get canUndo(): boolean {
    return history.canUndo(this.past);
  }
  get canRedo(): boolean {
    return history.canRedo(this.past);
  }
  get editable(): boolean {
    return this.phase === "working" && !this.theirs;
  }

  /** Ask for work. `null` steps: whatever comes next. */
  async next(steps: string[] | null): Promise<void> {
    this.steps = steps;
    this.leave();
    this.phase = "loading";
    this.problem = null;
    try {
      const found = await api.next(this.project.slug, steps);
      if (!found) {
        this.isPaused = (await api.project(this.project.slug)).is_paused;
        this.phase = "none";
        announcer.say("No work is waiting for you.");
        return;
      }
      await this.open(found);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.problem = problemOf(error);
      this.phase = "idle";
    }
  }

  private async open(assignment: Assignment): Promise<void> {
    const id = assignment.item.asset_id;
    const [asset, table, guideline] = await Promise.all([
      api.asset(id),
      api.frameTable(id),
      this.guideline?.version === assignment.guideline_version
        ? this.guideline
        : api.guideline(this.project.slug, assignment.guideline_version),
    ]);
    this.assignment = assignment;
    this.guideline = guideline;
    this.viewer = new Viewer(asset, asset.kind === "video" ? table : null);
    // More work on the same footage begins where the person was.
    if (this.last?.asset.id === asset.id) this.viewer.go(this.last.frame);
    this.proposals = assignment.proposals;
    this.others = [];
    this.ownAnswer = ownAnswerIn(assignment);
    this.lost = "";
    await this.enter(assignment.step, assignment.draft);
    this.startBeating();
    this.tell("open");
  }

  /** Begin a step of the assignment: its own drafts, its own undo. */
  private async enter(step: string, draft: Versioned<unknown> | null): Promise<void> {
    const assignment = this.assignment as Assignment;
    if (step === "compare" || step === "choice_after") {
      const revealed = await api.reveal(assignment.id, assignment.fence);
      this.proposals = revealed.proposals;
      this.others = revealed.others ?? [];
    }
    const local = await drafts.get(assignment.id);
    // From here on at one stroke: nobody meets a step that does not take their keys yet.
    this.step = step;
    this.missing = [];
    this.theirs = null;
    this.operation = newOperationId();
    this.time = new ActiveTime();
    this.loadDraft(step, draft, local);
    this.phase = "working";
  }

  private loadDraft(step: string, found: Versioned<unknown> | null, local: LocalDraft | undefined): void {
    const server: Versioned<DraftBody> = { rev: found?.rev ?? 0, body: readDraft(found?.body, step, this.blank()) };
    const mine = local && local.dirty && local.user_id === session.user?.id && local.step === step ? local : null;
    const body = mine ? readDraft(mine.body, step, this.blank()) : server.body;
    this.past = history.begin(body.edits);
    this.sync?.close();
    this.sync = null;
    this.draftState = found ? "saved" : "clean";
    if (isAfter(step)) return;
    this.sync = new DraftSync<DraftBody>(server.rev, body, {
      save: (rev, value) => this.save(rev, value),
      notify: (state) => this.noticed(state),
      keep: (value) => void this.keep(value),
      later: (task, ms) => {
        const timer = setTimeout(task, ms);
        return () => clearTimeout(timer);
      },
    });
    if (mine && mine.rev === server.rev) this.sync.change(body);
    else if (mine && found) this.sync.conflict(server);
  }

  private blank(): Edits {
    const edits = emptyEdits();
    const item = (this.assignment as Assignment).item;
    return { ...edits, question: item.question, proposal_id: this.proposals[0]?.id ?? null };
  }

  /** Change what was entered; `label` joins edits of one kind into one undo step. */
  set(change: Partial<Edits>, label = ""): void {
    if (!this.editable) return;
    this.put(history.edit(this.past, { ...this.past.present, ...change }, label, Date.now()));
  }
  undo(): void {
    if (!this.editable || !this.canUndo) return;
    this.put(history.undo(this.past));
    announcer.say("Undone");
  }
  redo(): void {
    if (!this.editable || !this.canRedo) return;
    this.put(history.redo(this.past));
    announcer.say("Done again");
  }

  private put(next: history.History<Edits>): void {
    this.past = next;
    this.missing = [];
    this.time.note();
    if (this.viewer && (this.viewer.selected ?? -1) >= next.present.boxes.length) this.viewer.selected = null;
    this.sync?.change({ step: this.step, edits: next.present });
  }

  async saveNow(): Promise<void> {
    await this.sync?.flush();
    if (this.draftState === "saved") announcer.say("Draft saved");
  }

  async resolve(choice: "mine" | "theirs"): Promise<void> {
    const body = await this.sync?.resolve(choice);
    this.theirs = this.sync?.theirs ?? null;
    if (!body) return;
    this.past = history.edit(this.past, body.edits, "", Date.now());
  }

  async submit(): Promise<void> {
    const assignment = this.assignment;
    const viewer = this.viewer;
    const user = session.user;
    if (!assignment || !viewer || !user || !this.editable) return;
    const built = build(
      this.step,
      this.edits,
      assignment,
      viewer.isVideo,
      this.others.map(({ submission_id }) => submission_id),
    );
    if ("missing" in built) {
      this.missing = built.missing;
      announcer.alarm(built.missing.map(({ message }) => message).join(" "));
      return;
    }
    this.time.note();
    this.problem = null;
    this.phase = "submitting";
    await outbox.add({
      client_op_id: this.operation,
      user_id: user.id,
      assignment_id: assignment.id,
      item_id: assignment.item.id,
      project: this.project.slug,
      step: this.step,
      body: {
        client_op_id: this.operation,
        fence: assignment.fence,
        payload: built.payload,
        frame_table_hash: viewer.asset.frame_table_hash,
        guideline_version: assignment.guideline_version,
        active_seconds: this.time.seconds,
      },
      created_at: Date.now(),
      refused: null,
    });
    if (this.phase === "submitting") this.phase = "queued";
  }

  private async delivered(id: string, delivery: Delivery): Promise<void> {
    if (id !== this.operation || !this.assignment) return;
    if (delivery.kind === "refused") return this.refusedBy(id, delivery.problem);
    if (delivery.kind !== "done") return;
    this.operation = "";
    this.sync?.close();
    await drafts.remove(this.assignment.id);
    this.tell("done");
    announcer.say("Submitted");
    this.told = delivery.answer.calibration ?? null;
    if (this.told) {
      // Done and sent: no heartbeat while the person reads.
      this.phase = "told";
      return;
    }
    if (!(await this.chooseAgain())) await this.next(this.steps);
  }

  private async refusedBy(id: string, problem: ApiProblem): Promise<void> {
    if (isOver(problem.code)) return this.lose(problem.message);
    // The form is still here to be put right: nothing to keep in the queue, and a new operation for the next try.
    await outbox.forget(id);
    this.operation = newOperationId();
    this.problem = problem;
    this.phase = "working";
    announcer.alarm(problem.message);
  }

  /** After a choice made blind: if there is a proposal, it is shown, and the person may choose again. */
  private async chooseAgain(): Promise<boolean> {
    const assignment = this.assignment as Assignment;
    if (this.step !== "choice" || this.project.mode !== "blind_first") return false;
    try {
      const revealed = await api.reveal(assignment.id, assignment.fence);
      if (!revealed.proposals.length) return false;
      const before = this.edits;
      await this.enter("choice_after", null);
      this.past = history.begin({ ...before, note: "" });
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return false;
    }
  }

  /** Go on after a calibration item. */
  goOn(): Promise<void> {
    return this.next(this.steps);
  }

  /** Leave a step that nobody has to do. */
  async skip(): Promise<void> {
    if (isAfter(this.step)) await this.next(this.steps);
  }

  async giveBack(reason: string): Promise<void> {
    const assignment = this.assignment;
    if (!assignment) return;
    try {
      await api.giveBack(assignment.id, assignment.fence, reason);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.problem = problemOf(error);
      return;
    }
    await drafts.remove(assignment.id);
    this.leave();
    announcer.say("Given back");
  }

  /** The server does not take this work any more. It stays on screen, to be read and copied. */
  async lose(message: string): Promise<void> {
    if (this.phase === "lost") return;
    this.lost = message;
    this.phase = "lost";
    this.sync?.lose(message);
    clearInterval(this.beat);
    announcer.alarm(`This work is no longer yours. ${message}`);
  }

  leave(): void {
    clearInterval(this.beat);
    void this.sync?.flush();
    this.sync = null;
    this.assignment = null;
    this.step = "";
    this.last = this.viewer ?? this.last;
    this.viewer = null;
    this.theirs = null;
    this.told = null;
    this.missing = [];
    this.elsewhere = false;
    this.phase = "idle";
  }

  close(): void {
    this.leave();
    this.stopListening();
    this.channel?.close();
  }

  private startBeating(): void {
    clearInterval(this.beat);
    const assignment = this.assignment as Assignment;
    const left = assignment.lease_until - Date.now();
    // A clock that is wrong on either side must not stop the heartbeat: between 5 seconds and a minute.
    const every = Math.max(5_000, Math.min(60_000, left / 3 || 60_000));
    this.beat = setInterval(() => void this.heartbeat(), every);
  }

  async heartbeat(): Promise<void> {
    const assignment = this.assignment;
    if (!assignment || isAfter(this.step) || (this.phase !== "working" && this.phase !== "queued")) return;
    try {
      await api.heartbeat(assignment.id, assignment.fence);
      if (outbox.waiting.length) void outbox.flush();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // Offline or logged out: the lease may still be ours when we are back. Only a plain no is a no.
      if (isOver(error.problem.code)) await this.lose(error.problem.message);
    }
  }

  private async save(rev: number, body: DraftBody): Promise<SaveAnswer<DraftBody>> {
    const assignment = this.assignment as Assignment;
    try {
      return { kind: "saved", rev: (await api.saveDraft(assignment.id, rev, body)).rev };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 412) {
        const current = (error.body as { current: Versioned<unknown> }).current;
        const theirs = { rev: current.rev, body: readDraft(current.body, this.step, this.blank()) };
        return { kind: "stale", current: theirs };
      }
      if (error.status === 401) return { kind: "login" };
      if (isOver(error.problem.code)) return { kind: "lost", message: error.problem.message };
      return { kind: "offline" };
    }
  }

  private noticed(state: DraftState): void {
    this.draftState = state;
    this.theirs = this.sync?.theirs ?? null;
    if (state === "lost") void this.lose(this.sync?.reason ?? "");
    if (state === "conflict") announcer.alarm("This draft was changed elsewhere. Choose which version to keep.");
  }

  private async keep(value: Versioned<DraftBody> & { dirty: boolean }): Promise<void> {
    const user = session.user;
    if (!this.assignment || !user) return;
    await drafts.put({ assignment_id: this.assignment.id, user_id: user.id, step: this.step, ...value });
  }

  private tell(kind: "open" | "here" | "done"): void {
    if (this.assignment) this.channel?.postMessage({ kind, assignment: this.assignment.id });
  }
}
