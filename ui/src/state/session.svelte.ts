// Who is logged in, and whether the login has expired. Knows no screen.
import { api, ApiError, setCsrfToken, whenExpired } from "../api";
import type { Me, User } from "../types";

class Session {
  user = $state<User | null>(null);
  memberships = $state<Me["memberships"]>([]);
  /** Logged in before, but the server does not accept it any more: log in again, in place. */
  expired = $state(false);
  ready = $state(false);

  async start(): Promise<void> {
    whenExpired(() => {
      if (this.user) this.expired = true;
    });
    try {
      this.take(await api.me());
    } catch (error) {
      // Not logged in is the usual case; without a server the login form will say so.
      if (!(error instanceof ApiError)) throw error;
    } finally {
      this.ready = true;
    }
  }

  async logIn(name: string, password: string): Promise<void> {
    const answer = await api.logIn(name, password);
    setCsrfToken(answer.csrf_token);
    this.take(await api.me());
  }

  async logOut(): Promise<void> {
    try {
      await api.logOut();
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 0) throw error;
    }
    this.user = null;
    this.memberships = [];
    this.expired = false;
    setCsrfToken("");
  }

  /** The roles of this person in a project. */
  roles(project: string): string[] {
    return this.memberships.filter((membership) => membership.project === project).map(({ role }) => role);
  }

  private take(me: Me): void {
    setCsrfToken(me.csrf_token);
    this.user = me.user;
    this.memberships = me.memberships;
    this.expired = false;
  }
}

export const session = new Session();
