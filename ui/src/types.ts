// What the server's HTTP API says, as types. The server owns these; nothing here computes.
import type { FrameBox } from "./pure/boxes";
import type { Interval } from "./pure/interval";

export interface ApiProblem {
  code: string;
  message: string;
  hint: string;
  field?: string;
}

export interface User {
  id: number;
  name: string;
  display_name: string;
  is_owner: boolean;
}

export interface Membership {
  project: string;
  role: string;
}

export interface Me {
  user: User;
  memberships: Membership[];
  csrf_token: string;
  expires_at: number;
}

/** A project in the list of those that a person may see. */
export interface ProjectEntry {
  slug: string;
  title: string;
  mode: "blind_first" | "verify";
  role: string;
}

export interface ReasonCode {
  id: string;
  title: string;
}

export interface Project {
  slug: string;
  title: string;
  mode: "blind_first" | "verify";
  role: string | null;
  guideline_version: number | null;
  policy_version: number | null;
  domains: { id: string; title: string }[];
  steps: string[];
  own_steps: string[];
  reason_codes: ReasonCode[];
  /** No new work comes to this person until a manager, or a later look at their answers, lets them work on. */
  is_paused: boolean;
  /** Keys that the pack gives to some of the page's functions. */
  shortcuts: Record<string, string>;
}

export interface Guideline {
  version: number;
  html: string;
  sha256: string;
}

export interface Asset {
  id: number;
  sha256: string;
  kind: "video" | "image";
  width: number;
  height: number;
  num_frames: number;
  duration_seconds: number;
  frame_table_hash: string;
  licence: string;
}

export interface Proposal {
  id: number;
  text: string;
  kind: string;
}

/** A blind answer of somebody else, revealed beside the proposal. */
export interface OtherAnswer {
  submission_id: number;
  answer: string;
}

/** Earlier work on an item, as far as this person may see it; never with a name. */
export interface HistoryEntry {
  id: number;
  step: string;
  payload: Record<string, unknown>;
  is_own: boolean;
  created_at: number;
}

export interface Item {
  id: number;
  question: string;
  options: string[] | null;
  domain: string;
  asset_id: number;
  distractor: { id: number; text: string } | null;
  history: HistoryEntry[];
  /** The step that an expert adjudicates, and why it came to them. */
  about: string | null;
  reason: string | null;
}

export interface Assignment {
  id: number;
  fence: number;
  /** UTC milliseconds. */
  lease_until: number;
  step: string;
  item: Item;
  guideline_version: number;
  draft: { rev: number; body: unknown } | null;
  proposals: Proposal[];
  resumed: boolean;
  is_calibration: boolean;
}

export interface SubmissionBody {
  client_op_id: string;
  fence: number;
  payload: Record<string, unknown>;
  frame_table_hash: string;
  guideline_version: number;
  active_seconds: number;
}

export interface SubmissionAnswer {
  id: number;
  next_step: string | null;
  /** Only of calibration items. */
  calibration?: Told;
}

/** What is told of a calibration item once it is done. `is_right` null: only a person could tell. */
export interface Told {
  is_right: boolean | null;
  expected: { choice?: number; verdict?: string; reason?: string; answers?: string[]; evidence?: Interval };
  explanation: string;
  progress: { num_done: number; wanted: number; num_judged: number; num_right: number; is_passed: boolean };
}

/** A page of a list; `next` is where the one after it begins, null at the end. */
export interface Page<T> {
  rows: T[];
  next: number | null;
}

export interface QueueEntry {
  id: number;
  item: number;
  question: string;
  /** The wrong answer that people could not agree on, if it is one. */
  distractor: string | null;
  domain: string;
  about: string;
  reason: string | null;
  /** What people said, most often first. */
  labels: { label: string; count: number }[];
  /** UTC milliseconds. */
  escalated_at: number;
  posterior: number | null;
  is_leased: boolean;
  score: number;
}

export interface Estimate {
  low: number | null;
  high: number | null;
  n: number;
}

export interface Dashboard {
  /** Items by state. */
  items: Record<string, number>;
  /** `day` is its beginning in UTC milliseconds. */
  throughput: { day: number; submissions: number; accepted: number }[];
  agreement: (Estimate & { step: string; domain: string; alpha: number | null })[];
  skill: (Estimate & { step: string; user: string; domain: string; accuracy: number | null; flags: string[] })[];
  /** How people did on calibration items; `n` of them could be told right or wrong. */
  calibrated: (Estimate & { user: string; share: number | null; num_done: number; passed_at: number | null })[];
  calibration: {
    ece: number | null;
    bins: { low: number; high: number; n: number; confidence: number; accuracy: number }[];
  };
  escalations: {
    share: number | null;
    by_reason: Record<string, number>;
    /** Of the `n` wrong choices on audited items, or on gold, the share that went to an expert. */
    capture: (Estimate & { on: "audit" | "gold"; share: number })[];
  };
  cost_per_accepted: number | null;
}

export interface Release {
  id: number;
  purpose: string;
  state: "draft" | "published" | "superseded";
  num_rows: number;
  manifest: { card: { error_bound: ErrorBound } };
  created_by: number;
  approved_by: number | null;
  created_at: number;
  superseded_reason: string | null;
}

/** With `confidence`, less than `upper` of the `num_rows` that no expert saw are wrong; `num_audited` 0: unknown. */
export interface ErrorBound {
  num_rows: number;
  num_audited: number;
  num_wrong: number;
  upper: number;
  confidence: number;
}

export interface Member {
  user_id: number;
  user: string;
  display_name: string;
  role: string;
}

export interface Credential {
  id: number;
  domain: string;
  level: string;
  /** UTC milliseconds, like all times. */
  expires_at: number;
  revoked_at: number | null;
}

export interface AuditEvent {
  seq: number;
  at: number;
  actor: string;
  action: string;
  subject: string;
  hash: string;
}

export interface AuditReport {
  is_intact: boolean;
  num_events: number;
  first_broken: number | null;
  problem: string | null;
}

/** Everything a person can enter, whatever the step; one flat value, so that undo and drafts need no cases. */
export interface Edits {
  verdict: string | null;
  question: string;
  reason: string | null;
  reasons: string[];
  answer: string;
  evidence: Interval | null;
  boxes: FrameBox[];
  choice: number | null;
  proposal_id: number | null;
  same_meaning: boolean | null;
  others: { submission_id: number; same_meaning: boolean }[];
  merged: string;
  rationale: string;
  cites: number[];
  unsure: boolean;
  note: string;
}
