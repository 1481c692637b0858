// What a person has set for this browser: colours, single-key shortcuts, the guideline beside the work, playing speed.

const KEY = "perceptlm-annotate-settings";
type Theme = "auto" | "light" | "dark";

interface Stored {
  theme: Theme;
  singleKeys: boolean;
  guideline: boolean;
  speed: number;
}

const DEFAULTS: Stored = { theme: "auto", singleKeys: true, guideline: true, speed: 1 };

function read(): Stored {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Stored>) };
  } catch {
    return DEFAULTS;
  }
}

class Settings {
  private stored = $state<Stored>(read());

  get theme(): Theme {
    return this.stored.theme;
  }
  get singleKeys(): boolean {
    return this.stored.singleKeys;
  }
  get guideline(): boolean {
    return this.stored.guideline;
  }
  get speed(): number {
    return this.stored.speed;
  }

  set(change: Partial<Stored>): void {
    this.stored = { ...this.stored, ...change };
    try {
      localStorage.setItem(KEY, JSON.stringify(this.stored));
    } catch {
      // Private windows may refuse; the setting then lasts as long as the page.
    }
    this.show();
  }

  /** Put the colours on the document. */
  show(): void {
    document.documentElement.dataset.theme = this.stored.theme;
  }
}

export const settings = new Settings();
