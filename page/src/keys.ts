// Shortcuts: listed on `?`, changeable, kept in the browser.

export interface Action {
  name: string;
  text: string;
  key: string;
  run: () => void;
}

const KEPT = "lesslabel-keys";

export class Keys {
  private readonly chosen: Record<string, string>;
  private listening: Action | null = null;

  constructor(private readonly actions: readonly Action[]) {
    this.chosen = JSON.parse(localStorage.getItem(KEPT) ?? "{}") as Record<string, string>;
    document.addEventListener("keydown", (event) => this.press(event));
  }

  keyOf(action: Action): string {
    return this.chosen[action.name] ?? action.key;
  }

  /** Fills a table with all actions; a click on a key waits for another. */
  list(table: HTMLTableElement): void {
    table.replaceChildren(
      ...this.actions.map((action) => {
        const row = document.createElement("tr");
        const button = document.createElement("button");
        button.textContent = this.listening === action ? "press a key" : shown(this.keyOf(action));
        button.addEventListener("click", () => {
          this.listening = action;
          this.list(table);
        });
        row.insertCell().textContent = action.text;
        row.insertCell().append(button);
        return row;
      }),
    );
  }

  private press(event: KeyboardEvent): void {
    const key = named(event);
    if (this.listening) {
      if (["Control", "Shift", "Alt", "Meta"].includes(event.key)) return;
      event.preventDefault();
      this.chosen[this.listening.name] = key;
      localStorage.setItem(KEPT, JSON.stringify(this.chosen));
      this.listening = null;
      const table = document.querySelector<HTMLTableElement>("#keys");
      if (table) this.list(table);
      return;
    }
    const target = event.target as HTMLElement;
    const typing = target instanceof HTMLInputElement && target.type !== "range";
    if (typing || document.querySelector("dialog[open]")) return;
    const action = this.actions.find((each) => this.keyOf(each) === key);
    if (!action) return;
    event.preventDefault();
    action.run();
  }
}

function named(event: KeyboardEvent): string {
  return `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${event.key.length === 1 ? event.key.toLowerCase() : event.key}`;
}

export function shown(key: string): string {
  const names: Record<string, string> = { " ": "space", ArrowUp: "↑", ArrowDown: "↓", Enter: "enter", Escape: "esc" };
  return names[key] ?? key;
}
