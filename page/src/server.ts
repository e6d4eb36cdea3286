// Speaks to the server: one message after the other, sent again until it is answered.

import type { Outbox } from "./outbox";
import { newId } from "./tab";
import type { Answer, Case, Desk, Levels, Plane } from "./types";

/** The server said no; its message says why and what to do. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** What the page may offer: "other tab" or "unseen"; empty for most. */
    readonly kind = "",
  ) {
    super(message);
  }
}

/** The case is no longer in front: what still waits for it stays in the outbox. */
export class Away extends Error {}

/** Whether this tab may not go on with a case, and does not know what the server has of it. */
export function isLost(error: unknown): boolean {
  if (!(error instanceof Refused)) return true;
  return error.status === 401 || error.status === 403 || error.status === 409 || error.status >= 500;
}

const LONGEST_PAUSE_S = 30;
/** Times that a message on which the server broke is sent. */
const MOST_BREAKS = 3;

export class Server {
  /** Why nothing more is sent before the page is loaded again. */
  stopped: Refused | null = null;
  /** Told after every attempt; the text says what is wrong, and is empty if nothing is. */
  onConnection: (trouble: string) => void = () => undefined;
  outbox!: Outbox;
  private author = "";
  private waiting: Promise<unknown> = Promise.resolve();

  constructor(private readonly tab: string) {}

  async desk(): Promise<Desk> {
    const desk = (await (await this.reach("/api/desk")).json()) as Desk;
    this.author ||= desk.author;
    this.stopIfNot(desk.author);
    if (this.stopped) throw this.stopped;
    return desk;
  }

  /** Asks whether it is there, by what costs it least. */
  async knock(): Promise<void> {
    await this.reach("/favicon.ico");
  }

  /** The next case, but for some. */
  async next(without: Iterable<string>): Promise<string | null> {
    const query = new URLSearchParams([...without].map((key) => ["without", key]));
    return ((await (await this.reach(`/api/next?${query}`)).json()) as { key: string | null }).key;
  }

  async image(key: string): Promise<ArrayBuffer> {
    return (await this.reach(`/api/cases/${key}/image`)).arrayBuffer();
  }

  async uncertainty(key: string, label: number, { axis, index }: Plane): Promise<Levels | null> {
    const answer = await this.reach(`/api/cases/${key}/uncertainty?label=${label}&axis=${axis}&index=${index}`);
    return ((await answer.json()) as { uncertainty: Levels | null }).uncertainty;
  }

  open(key: string, takeOver: boolean): Promise<Case> {
    return this.post<Case>(key, "open", () => ({ take_over: takeOver }));
  }

  /** Sends a message after those that wait; its content is asked for when it is its turn. */
  post<Result = Answer>(key: string, what: string, content: () => object, id = newId()): Promise<Result> {
    const sent = this.waiting.then(async () => {
      const init = this.message({ tab: this.tab, id, ...content() });
      return (await (await this.reach(`/api/cases/${key}/${what}`, init)).json()) as Result;
    });
    this.waiting = sent.catch(() => undefined);
    return sent;
  }

  /** Waits until all is answered that was posted so far. */
  async settled(): Promise<void> {
    await this.waiting;
  }

  /** Gives a case back while the tab closes. */
  leave(key: string, content: object): void {
    const init = this.message({ tab: this.tab, id: newId(), ...content });
    void fetch(`/api/cases/${key}/close`, { ...init, keepalive: true });
  }

  private message(body: object): RequestInit {
    const headers = { "content-type": "application/json", "lesslabel-author": encodeURIComponent(this.author) };
    return { method: "POST", headers, body: JSON.stringify(body) };
  }

  private async reach(path: string, init: RequestInit = {}): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      if (this.stopped) throw this.stopped;
      const response = await fetch(path, init).catch(() => null);
      if (response && !mayPass(response.status, attempt)) {
        this.onConnection("");
        if (response.ok) return response;
        throw await this.refusal(response);
      }
      this.onConnection(response ? ` (it answered ${response.status})` : " to the server");
      await new Promise((done) => setTimeout(done, 1000 * Math.min(2 ** (attempt - 1), LONGEST_PAUSE_S)));
    }
  }

  /** Why a request was refused; stops if this tab may ask for nothing more. */
  private async refusal(response: Response): Promise<Refused> {
    const content = (await response.json().catch(() => ({}))) as { error?: string; kind?: string };
    const text = content.error ?? `the server answered ${response.status}`;
    const refused = new Refused(response.status, text, content.kind);
    if (response.status === 401 || response.status === 403) this.stopped = refused;
    if (response.status === 409) this.stopIfNot(await signedIn());
    return this.stopped ?? refused;
  }

  /** A browser has one cookie: another author's link, opened in it, would make this tab theirs. */
  private stopIfNot(author: string): void {
    if (!author || author === this.author) return;
    const who = `this tab belongs to ${this.author}, but this browser is signed in as ${author}`;
    this.stopped = new Refused(409, `${who}; open the link again`);
  }
}

/** Whether the same message may be answered later. */
function mayPass(status: number, attempt: number): boolean {
  return status === 500 ? attempt < MOST_BREAKS : status >= 502 && status <= 504;
}

/** Whose cookie the browser has; empty if that cannot be told. */
async function signedIn(): Promise<string> {
  const response = await fetch("/api/desk").catch(() => null);
  return response?.ok ? ((await response.json()) as Desk).author : "";
}
