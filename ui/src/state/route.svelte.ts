// Which screen is open, in the hash of the address, so that the page works wherever the server puts it.

const SCREENS = ["work", "queue", "dashboard", "releases", "people"] as const;
export type Screen = (typeof SCREENS)[number];

class Route {
  project = $state<string | null>(null);
  screen = $state<Screen | "projects" | "audit">("projects");

  constructor() {
    window.addEventListener("hashchange", () => this.read());
    this.read();
  }

  private read(): void {
    const [kind, project, screen] = location.hash.replace(/^#\/?/, "").split("/").map(safelyDecoded);
    this.project = kind === "p" && project ? project : null;
    if (this.project) {
      this.screen = SCREENS.find((name) => name === screen) ?? "work";
    } else {
      this.screen = kind === "audit" ? "audit" : "projects";
    }
  }
}

function safelyDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const linkTo = (project: string, screen: Screen): string => `#/p/${encodeURIComponent(project)}/${screen}`;
export const route = new Route();

const WORKERS = ["annotator", "verifier", "expert"];

/** The screens of a project that somebody with this role can use. The server decides; this only spares dead ends. */
export function screensFor(role: string): { screen: Screen; title: string }[] {
  const may = (...wanted: string[]): boolean => wanted.includes(role);
  return [
    may(...WORKERS) && { screen: "work" as const, title: "Work" },
    may("expert", "manager", "owner") && { screen: "queue" as const, title: "Expert queue" },
    may("manager", "owner", "auditor") && { screen: "dashboard" as const, title: "Dashboard" },
    may("manager", "owner", "auditor") && { screen: "releases" as const, title: "Releases" },
    may("manager", "owner", "auditor") && { screen: "people" as const, title: "People" },
  ].filter((entry) => entry !== false);
}
