// Who is logged in, and whether the login has expired. Knows no screen.
import { api, ApiError, setCsrfToken, whenExpired, whenTokenIsStale } from "../api";
import type { ProjectEntry, User } from "../types";

const BEEN_HERE = "perceptlm-annotate-been-here";

class Session {
  user = $state<User | null>(null);
  /** The projects this person may see, with their role in each. */
  projects = $state.raw<ProjectEntry[]>([]);
  /** Logged in before, but the server does not accept it any more: log in again, in place. */
  expired = $state(false);
  ready = $state(false);

  async start(): Promise<void> {
    whenExpired(() => {
      if (this.user) this.expired = true;
    });
    whenTokenIsStale(() => this.renewToken());
    try {
      // Who never logged in here has no session to ask for.
      if (localStorage.getItem(BEEN_HERE)) await this.take();
    } catch (error) {
      // Not logged in is the usual case; without a server the login form will say so.
      if (!(error instanceof ApiError)) throw error;
    } finally {
      this.ready = true;
    }
  }

  async logIn(name: string, password: string): Promise<void> {
    // At once: what waits to be saved may be sent before the rest is here.
    setCsrfToken((await api.logIn(name, password)).csrf_token);
    await this.take();
  }

  async logOut(): Promise<void> {
    try {
      await api.logOut();
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 0) throw error;
    }
    localStorage.removeItem(BEEN_HERE);
    this.user = null;
    this.projects = [];
    this.expired = false;
    setCsrfToken("");
  }

  /** The role of this person in a project, "" if none. */
  role(project: string): string {
    return this.projects.find(({ slug }) => slug === project)?.role ?? "";
  }

  get seesAudit(): boolean {
    return this.user?.is_owner === true || this.projects.some(({ role }) => role === "auditor");
  }

  /** Take the token of the login that is valid in this browser now, if it is this person's. */
  private async renewToken(): Promise<boolean> {
    const me = await api.me();
    if (me.user.id !== this.user?.id) return false;
    setCsrfToken(me.csrf_token);
    return true;
  }

  private async take(): Promise<void> {
    const [me, projects] = await Promise.all([api.me(), api.projects()]);
    setCsrfToken(me.csrf_token);
    this.projects = projects;
    this.user = me.user;
    this.expired = false;
    localStorage.setItem(BEEN_HERE, "yes");
  }
}

export const session = new Session();
