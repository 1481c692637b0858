// The typed client of the server's HTTP API. The only module that calls fetch. Every failure is an ApiError with the
// server's own sentence; status 0 means that no answer came.
import type {
  ApiProblem,
  Asset,
  Assignment,
  AuditEvent,
  AuditReport,
  Credential,
  Dashboard,
  Guideline,
  Me,
  Member,
  OtherAnswer,
  Page,
  Project,
  ProjectEntry,
  Proposal,
  QueueEntry,
  Release,
  SubmissionAnswer,
  SubmissionBody,
} from "./types";
import type { FrameTable } from "./pure/frames";

const ROOT = "/api/v1";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: ApiProblem,
    readonly body: unknown = null,
  ) {
    super(problem.message);
    this.name = "ApiError";
  }
}

/** What to show of any failure. */
export function problemOf(error: unknown): ApiProblem {
  if (error instanceof ApiError) return error.problem;
  return { code: "page", message: error instanceof Error ? error.message : String(error), hint: "" };
}

let csrfToken = "";
export const setCsrfToken = (token: string): void => void (csrfToken = token);

/** Called when the login has expired; the page then asks to log in again, in place. */
let onExpired: () => void = () => undefined;
export const whenExpired = (action: () => void): void => void (onExpired = action);

/** Called when the token is of another login in this browser: true once the new one of the same person is set. */
let renewToken = (): Promise<boolean> => Promise.resolve(false);
export const whenTokenIsStale = (action: () => Promise<boolean>): void => void (renewToken = action);

interface Options {
  method?: string;
  json?: unknown;
  headers?: Record<string, string>;
  /** Do not ask to log in again on 401 (the login itself). */
  quiet?: boolean;
  /** The token was renewed for it. */
  again?: boolean;
}

async function request(path: string, options: Options = {}): Promise<Response> {
  const method = options.method ?? "GET";
  const headers: Record<string, string> = { Accept: "application/json", ...options.headers };
  if (method !== "GET" && csrfToken) headers["X-CSRF-Token"] = csrfToken;
  const init: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store" };
  if (options.json !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(options.json);
  }
  let response: Response;
  try {
    response = await fetch(ROOT + path, init);
  } catch {
    throw new ApiError(0, { code: "offline", message: "The server cannot be reached.", hint: "" });
  }
  if (response.ok) return response;
  const body: unknown = await response.json().catch(() => null);
  const problem = readProblem(body, response.status);
  if (problem.code === "csrf" && !options.again && (await renewToken())) {
    return request(path, { ...options, again: true });
  }
  // Without a token of this person's their login is over, whoever else is logged in.
  const status = problem.code === "csrf" ? 401 : response.status;
  if (status === 401 && !options.quiet) onExpired();
  throw new ApiError(status, problem, body);
}

function readProblem(body: unknown, status: number): ApiProblem {
  const error = (body as { error?: Partial<ApiProblem> } | null)?.error;
  const fallback = `The server answered ${status}.`;
  const problem: ApiProblem = {
    code: String(error?.code ?? status),
    message: String(error?.message ?? fallback),
    hint: String(error?.hint ?? ""),
  };
  if (error?.field) problem.field = String(error.field);
  return problem;
}

async function json<T>(path: string, options: Options = {}): Promise<T> {
  const response = await request(path, options);
  return (response.status === 204 ? null : await response.json()) as T;
}

const post = <T>(path: string, body: unknown = {}): Promise<T> => json<T>(path, { method: "POST", json: body });
const part = encodeURIComponent;

/** A list that the server sends under a name. */
const list = async <T>(path: string, name: string): Promise<T[]> => (await json<Record<string, T[]>>(path))[name] ?? [];

/** One page of such a list. */
async function page<T>(path: string, name: string): Promise<Page<T>> {
  const found = await json<Record<string, unknown>>(path);
  return { rows: (found[name] ?? []) as T[], next: (found.next ?? null) as number | null };
}

export const api = {
  logIn: (name: string, password: string) =>
    json<{ csrf_token: string }>("/sessions", { method: "POST", json: { name, password }, quiet: true }),
  logOut: () => json<null>("/sessions", { method: "DELETE", quiet: true }),
  me: () => json<Me>("/me", { quiet: true }),

  projects: () => list<ProjectEntry>("/projects", "projects"),
  project: (slug: string) => json<Project>(`/projects/${part(slug)}`),
  guideline: (slug: string, version: number | "current") =>
    json<Guideline>(`/projects/${part(slug)}/guidelines/${version}`),

  asset: (id: number) => json<Asset>(`/assets/${id}`),
  frameTable: (id: number) => json<FrameTable>(`/assets/${id}/frame-table`),
  framePath: (id: number, frame: number) => `${ROOT}/assets/${id}/frames/${frame}`,
  videoPath: (id: number) => `${ROOT}/assets/${id}/video`,

  next: (slug: string, steps: string[] | null) =>
    post<Assignment | null>(`/projects/${part(slug)}/next`, { steps }),
  assignment: (id: number) => json<Assignment>(`/assignments/${id}`),
  heartbeat: (id: number, fence: number) =>
    post<{ lease_until: number }>(`/assignments/${id}/heartbeat`, { fence }),
  giveBack: (id: number, fence: number, reason: string) =>
    post<unknown>(`/assignments/${id}/release`, { fence, reason }),
  reveal: (id: number, fence: number) =>
    post<{ proposals: Proposal[]; others?: OtherAnswer[] }>(`/assignments/${id}/reveal`, { fence }),
  readDraft: (id: number) => json<{ rev: number; body: unknown } | null>(`/assignments/${id}/draft`),
  saveDraft: (id: number, rev: number, body: unknown) =>
    json<{ rev: number }>(`/assignments/${id}/draft`, {
      method: "PUT",
      json: { body },
      headers: { "If-Match": `"${rev}"` },
    }),
  submit: (id: number, body: SubmissionBody) => post<SubmissionAnswer>(`/assignments/${id}/submissions`, body),

  members: (slug: string) => list<Member>(`/projects/${part(slug)}/members`, "members"),
  setMember: (slug: string, user: string, role: string) =>
    post<unknown>(`/projects/${part(slug)}/members`, { user, role }),
  removeMember: (slug: string, userId: number, reason: string) =>
    post<unknown>(`/projects/${part(slug)}/members/${userId}/remove`, { reason }),
  credentials: (userId: number) => list<Credential>(`/users/${userId}/credentials`, "credentials"),
  revokeCredential: (userId: number, id: number, reason: string) =>
    post<unknown>(`/users/${userId}/credentials/${id}/revoke`, { reason }),
  queue: (slug: string, after: number) => page<QueueEntry>(`/projects/${part(slug)}/queue?after=${after}`, "queue"),
  dashboard: (slug: string) => json<Dashboard>(`/projects/${part(slug)}/dashboard`),
  releases: (slug: string) => list<Release>(`/projects/${part(slug)}/releases`, "releases"),
  createRelease: (slug: string, purpose: string) => post<Release>(`/projects/${part(slug)}/releases`, { purpose }),
  approveRelease: (id: number) => post<Release>(`/releases/${id}/approve`),
  supersedeRelease: (id: number, reason: string) => post<Release>(`/releases/${id}/supersede`, { reason }),
  audit: (after: number) => page<AuditEvent>(`/audit?after=${after}`, "events"),
  verifyAudit: () => json<AuditReport>("/audit/verify"),
};

/** One decoded picture, exactly as the server made it. */
export async function fetchFrame(assetId: number, frame: number, signal: AbortSignal): Promise<Blob> {
  let response: Response;
  try {
    response = await fetch(api.framePath(assetId, frame), { credentials: "same-origin", signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ApiError(0, { code: "offline", message: "The server cannot be reached.", hint: "" });
  }
  if (response.ok) return response.blob();
  if (response.status === 401) onExpired();
  throw new ApiError(response.status, readProblem(await response.json().catch(() => null), response.status));
}
