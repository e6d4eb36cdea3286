// Shortcuts: listed on `?`, changeable, kept in the browser.

export interface Action {
  name: string;
  text: string;
  key: string;
  run: () => void;
  /** Not again while the key is held. */
  once?: boolean;
}

const KEPT = "lesslabel-keys";
const HOW = "Click a key to change it.";

export class Keys {
  private readonly chosen: Record<string, string>;
  private listening: Action | null = null;

  /** Lists all actions in the table of a dialog. */
  constructor(
    private readonly actions: readonly Action[],
    private readonly dialog: HTMLDialogElement,
  ) {
    this.chosen = JSON.parse(localStorage.getItem(KEPT) ?? "{}") as Record<string, string>;
    document.addEventListener("keydown", (event) => this.press(event));
    dialog.addEventListener("close", () => this.listen(null));
  }

  /** Opens the list; a click on a key waits for another. */
  show(): void {
    this.listen(null);
    this.dialog.showModal();
  }

  /** Writes on every key cap of the page which key it is. */
  label(): void {
    for (const cap of document.querySelectorAll<HTMLElement>("kbd[data-action]")) {
      const action = this.actions.find((each) => each.name === cap.dataset.action);
      if (action) cap.textContent = shown(this.keyOf(action));
    }
  }

  private keyOf(action: Action): string {
    return this.chosen[action.name] ?? action.key;
  }

  /** Waits for another key of an action; null waits for none. */
  private listen(action: Action | null, text = HOW): void {
    this.listening = action;
    this.dialog.querySelector("p")!.textContent = text;
    this.dialog.querySelector("table")!.replaceChildren(...this.actions.map((each) => this.row(each)));
  }

  private row(action: Action): HTMLTableRowElement {
    const row = document.createElement("tr");
    const button = document.createElement("button");
    button.textContent = this.listening === action ? "press a key" : shown(this.keyOf(action));
    button.addEventListener("click", () => this.listen(action));
    row.insertCell().textContent = action.text;
    row.insertCell().append(button);
    return row;
  }

  private press(event: KeyboardEvent): void {
    const { listening } = this;
    const graph = event.getModifierState("AltGraph"); // without it some keyboards have no brackets
    if (event.altKey && !graph) return;
    if (listening) {
      this.change(listening, event);
      return;
    }
    const target = event.target as HTMLElement;
    const typing = target instanceof HTMLInputElement && target.type !== "range";
    if (typing || document.querySelector("dialog[open]")) return;
    const action = this.actions.find((each) => this.keyOf(each) === named(event));
    if (!action) return;
    event.preventDefault();
    if (!event.repeat || !action.once) action.run();
  }

  private change(action: Action, event: KeyboardEvent): void {
    if (["Control", "Shift", "Alt", "AltGraph", "Meta"].includes(event.key)) return;
    event.preventDefault();
    const key = named(event);
    const holder = this.actions.find((each) => each !== action && this.keyOf(each) === key);
    if (holder && key === "Escape") this.listen(null);
    else if (holder) this.listen(action, `${shown(key)} is taken by "${holder.text}"; press another key, or esc.`);
    else {
      this.chosen[action.name] = key;
      localStorage.setItem(KEPT, JSON.stringify(this.chosen));
      this.listen(null);
      this.label();
    }
  }
}

function named(event: KeyboardEvent): string {
  const control = (event.ctrlKey || event.metaKey) && !event.getModifierState("AltGraph");
  return `${control ? "Ctrl+" : ""}${event.key.length === 1 ? event.key.toLowerCase() : event.key}`;
}

export function shown(key: string): string {
  const names: Record<string, string> = { " ": "space", ArrowUp: "↑", ArrowDown: "↓", Enter: "enter", Escape: "esc" };
  return names[key] ?? key;
}
