// Changes that the server has not answered yet: this tab of the browser keeps them over a reload, and sends them again.

import { newId } from "./tab";

/** What is told with every message. */
export interface Note {
  seen: number[][];
  active_s: number;
}

export interface Waiting {
  /** Of the message: what is sent twice is done once. */
  id: string;
  /** Annotation and author that it is for. */
  desk: string;
  key: string;
  what: "turns" | "remove" | "restore";
  content: Record<string, unknown>;
  /** Whether the server broke on it. */
  failed?: boolean;
  /** The message whose turn it takes back. */
  of?: string;
}

const KEPT = "lesslabel-waiting";
const KEPT_NOTE = "lesslabel-note";
/** Browsers keep about five million characters for a page. */
const MOST_CHARACTERS = 3_000_000;

export class Outbox {
  private entries: Waiting[] = read<Waiting[]>(KEPT) ?? [];

  /** For an annotation and its author; what another link left in this tab waits for that link. */
  constructor(private readonly desk: string) {}

  put(key: string, what: Waiting["what"], content: Record<string, unknown>, of?: string): Waiting {
    const waiting = { id: newId(), desk: this.desk, key, what, content, of };
    this.entries.push(waiting);
    this.keep();
    return waiting;
  }

  /** Keeps what was changed in an entry. */
  keep(): void {
    const texts: string[] = [];
    let size = 2;
    for (const entry of this.entries) {
      const text = JSON.stringify(entry);
      size += text.length + 1;
      if (size > MOST_CHARACTERS) break; // later ones build on it
      texts.push(text);
    }
    write(KEPT, `[${texts.join(",")}]`);
  }

  /** The server broke on an entry; true if it did before: kept longer, it would stand in the way for ever. */
  broke(waiting: Waiting): boolean {
    const before = waiting.failed === true;
    waiting.failed = true;
    this.keep();
    return before;
  }

  drop(waiting: Waiting): void {
    this.entries = this.entries.filter((entry) => entry !== waiting);
    this.keep();
  }

  /** Drops what was refused, and what would take it back: that would take back another. */
  giveUp(waiting: Waiting): void {
    this.entries = this.entries.filter((entry) => entry !== waiting && entry.of !== waiting.id);
    this.keep();
  }

  holds(waiting: Waiting): boolean {
    return this.entries.includes(waiting);
  }

  /** What waits for a case, in its order. */
  of(key: string): Waiting[] {
    return this.own.filter((entry) => entry.key === key);
  }

  get size(): number {
    return this.own.length;
  }

  /** The case of these that waits longest. */
  firstOf(keys: ReadonlySet<string>): string | null {
    return this.own.find((entry) => keys.has(entry.key))?.key ?? null;
  }

  /** Keeps what was seen of a case, to be told with what waits for it. */
  keepNote(key: string, note: Note): void {
    write(KEPT_NOTE, JSON.stringify({ desk: this.desk, key, note }));
  }

  takeNote(key: string): Note | null {
    const kept = read<{ desk: string; key: string; note: Note }>(KEPT_NOTE);
    if (kept?.desk !== this.desk || kept.key !== key) return null;
    sessionStorage.removeItem(KEPT_NOTE);
    return kept.note;
  }

  private get own(): Waiting[] {
    return this.entries.filter((entry) => entry.desk === this.desk);
  }
}

function read<Kept>(name: string): Kept | null {
  try {
    return JSON.parse(sessionStorage.getItem(name) ?? "null") as Kept | null;
  } catch {
    return null;
  }
}

function write(name: string, text: string): void {
  try {
    sessionStorage.setItem(name, text);
  } catch {
    // full: the page still warns before it is closed
  }
}
