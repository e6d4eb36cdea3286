// Speaks to the server: one message after the other, sent again until it is answered.

import type { Answer, Case, Desk, Levels, Plane } from "./types";

/** The server said no; its message says why and what to do. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const RETRY_MS = [500, 1000, 2000, 5000];

export class Server {
  /** Of this tab of the browser; a reloaded tab keeps it. */
  readonly tab: string;
  private waiting: Promise<unknown> = Promise.resolve();
  private count = 0;

  constructor(private readonly onConnection: (connected: boolean, unsent: number) => void) {
    this.tab = sessionStorage.getItem("tab") ?? crypto.randomUUID();
    sessionStorage.setItem("tab", this.tab);
  }

  desk(): Promise<Desk> {
    return this.get("/api/desk").then((answer) => answer.json() as Promise<Desk>);
  }

  /** Asks whether it is there, by what costs it least. */
  async knock(): Promise<void> {
    await this.get("/favicon.ico");
  }

  async next(): Promise<string | null> {
    return ((await (await this.get("/api/next")).json()) as { key: string | null }).key;
  }

  async image(key: string): Promise<ArrayBuffer> {
    return (await this.get(`/api/cases/${key}/image`)).arrayBuffer();
  }

  async uncertainty(key: string, label: number, { axis, index }: Plane): Promise<Levels | null> {
    const answer = await this.get(`/api/cases/${key}/uncertainty?label=${label}&axis=${axis}&index=${index}`);
    return ((await answer.json()) as { uncertainty: Levels | null }).uncertainty;
  }

  open(key: string, takeOver: boolean): Promise<Case> {
    return this.post<Case>(key, "open", () => ({ take_over: takeOver }));
  }

  /** Sends a message after those that wait; its content is asked for when it is its turn. */
  post<Result = Answer>(key: string, what: string, content: () => Record<string, unknown>): Promise<Result> {
    this.count++;
    const id = crypto.randomUUID();
    const sent = this.waiting.then(async () => {
      const body = JSON.stringify({ tab: this.tab, id, ...content() });
      const init = { method: "POST", headers: { "content-type": "application/json" }, body };
      return (await (await this.reach(`/api/cases/${key}/${what}`, init)).json()) as Result;
    });
    this.waiting = sent.catch(() => undefined).finally(() => this.count--);
    return sent;
  }

  /** Gives a case back while the tab closes. */
  leave(key: string, content: Record<string, unknown>): void {
    const body = JSON.stringify({ tab: this.tab, id: crypto.randomUUID(), ...content });
    void fetch(`/api/cases/${key}/close`, {
      method: "POST",
      keepalive: true,
      headers: { "content-type": "application/json" },
      body,
    });
  }

  private get(path: string): Promise<Response> {
    return this.reach(path, {});
  }

  private async reach(path: string, init: RequestInit): Promise<Response> {
    for (let attempt = 0; ; attempt++) {
      let response: Response;
      try {
        response = await fetch(path, init);
      } catch {
        this.onConnection(false, this.count);
        await new Promise((done) => setTimeout(done, RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]));
        continue;
      }
      this.onConnection(true, this.count);
      if (response.ok) return response;
      const content = (await response.json().catch(() => ({}))) as { error?: string };
      throw new Refused(response.status, content.error ?? `the server answered ${response.status}`);
    }
  }
}
