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
  reason_codes: ReasonCode[];
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
}

export interface QueueEntry {
  item: number;
  key: string;
  question?: string;
  domain: string;
  about: string;
  reason: string | null;
  posterior: number | null;
  is_leased: boolean;
  score: number;
  labels?: { value: string; count: number }[];
}

export interface Estimate {
  low: number | null;
  high: number | null;
  n: number;
}

export interface Dashboard {
  /** `day` is its beginning in UTC milliseconds. */
  throughput: { day: number; submissions: number; accepted: number }[];
  agreement: (Estimate & { step: string; domain: string; alpha: number | null })[];
  skill: (Estimate & { user: string; domain: string; accuracy: number | null; flags: string[] })[];
  calibration: {
    ece: number | null;
    bins: { low: number; high: number; n: number; confidence: number; accuracy: number }[];
  };
  escalations: { share: number | null; by_reason: Record<string, number> };
  cost_per_accepted: number | null;
}

export interface Release {
  id: number;
  purpose: string;
  state: string;
  num_rows: number | null;
  created_by: number;
  approved_by: number | null;
  created_at: number;
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
