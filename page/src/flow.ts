// From one case of the queue to the next: which one is in front, and what becomes of it.

import type { Casework } from "./casework";
import { type Panels, ask } from "./panels";
import { Away, Refused, isLost, type Server } from "./server";
import type { Case, Desk } from "./types";

export type State = "loading" | "ready" | "finishing" | "done" | "lost";
type Outcome = "opened" | "taken" | "failed" | "stopped";

/** Where a case is shown. */
export interface Screen {
  /** Puts a case in front. */
  show: (content: Case, image: ArrayBuffer) => Promise<Casework>;
  /** All that stands around it. */
  tell: (work: Casework) => void;
  /** Forgets what was about to be drawn; the image stays. */
  clear: () => void;
  /** Whether a line is being drawn. */
  drawing: () => boolean;
}

/** Times that another annotator may be faster before the page stops asking for a case. */
const MOST_TAKEN = 3;
/** Cases in a row that cannot be opened before something else is wrong, such as a full disk. */
const MOST_FAILED = 20;

export class CaseFlow {
  /** The case in front. */
  work: Casework | null = null;
  private now: State = "loading";
  private asking = false;
  /** Why cases could not be opened in this tab. */
  private readonly failed = new Map<string, string>();

  constructor(
    public desk: Desk,
    private readonly server: Server,
    private readonly panels: Panels,
    private readonly screen: Screen,
  ) {}

  /** The case in front, if it may be drawn on. */
  get open(): Casework | null {
    return this.now === "ready" ? this.work : null;
  }

  /** Whether another case is about to be in front. */
  private get comes(): boolean {
    return this.now === "loading" || this.now === "finishing";
  }

  get isDone(): boolean {
    return this.now === "done";
  }

  private get state(): State {
    return this.now;
  }

  private set state(state: State) {
    this.now = state;
    document.body.dataset.state = state;
  }

  /** Whether something would be lost if the tab went now. */
  get waits(): boolean {
    return this.server.outbox.size > 0 || this.now === "finishing";
  }

  /** Begins with the case whose turns wait since before the page was loaded again, else with the next one. */
  async start(): Promise<void> {
    const waiting = this.server.outbox.firstOf(new Set(this.desk.items.map((item) => item.key)));
    const outcome = waiting ? await this.bring(waiting) : "failed";
    if (outcome === "taken" || outcome === "failed") await this.next();
  }

  /** Opens the case that a person chose. */
  async choose(key: string): Promise<void> {
    if (this.comes || this.work?.content.key === key) return;
    await this.bring(key);
    if (!this.comes) return;
    this.state = this.work ? "ready" : "lost";
    this.tellQueue();
  }

  async finish(): Promise<void> {
    const work = this.open;
    if (!work || this.asking || this.screen.drawing()) return;
    this.state = "finishing";
    this.panels.say("writing into the store …");
    try {
      if ((await work.settled()) && (await this.bringIn(work, false))) {
        this.clear();
        await this.next();
      } else if (this.now === "finishing") this.state = "ready";
    } catch (error) {
      this.state = "ready";
      await this.refused(error, work);
    }
  }

  async skip(): Promise<void> {
    const work = this.open;
    if (!work || this.asking) return;
    this.asking = true;
    const reason = await ask("Why is this case left out?", "skip", true);
    this.asking = false;
    if (!reason || this.open !== work) return;
    this.state = "finishing";
    try {
      await work.tell("skip", { reason });
      this.clear();
      await this.next();
    } catch (error) {
      this.state = "ready";
      await this.refused(error, work);
    }
  }

  /** The server said no: say why, and show the case as the server has it. */
  async refused(error: unknown, work: Casework): Promise<void> {
    if (error instanceof Away) return;
    if (work !== this.work) {
      this.panels.say(textOf(error), true);
      return;
    }
    if (isLost(error)) {
      this.lose(error);
      return;
    }
    this.panels.say(textOf(error), true);
    try {
      await work.restate();
    } catch (again) {
      // never opened again by itself: where a disk is full that would not end
      if (work === this.work) this.lose(again);
    }
  }

  tellQueue(): void {
    this.panels.queue(this.desk, this.work?.content.key ?? null, this.failed);
  }

  /** What there is to do when no case waits. */
  sayDone(): void {
    const [reason] = this.failed.values();
    if (reason === undefined) this.panels.sayDone(this.desk);
    else this.panels.say(`${countCases(this.failed.size)} cannot be opened: ${reason}`, true);
  }

  private async next(): Promise<void> {
    this.state = "loading";
    const problems: string[] = [];
    try {
      for (let taken = 0; taken < MOST_TAKEN && problems.length < MOST_FAILED; ) {
        const key = await this.server.next(this.failed.keys());
        this.desk = await this.server.desk();
        this.panels.queue(this.desk, key, this.failed);
        if (!key) {
          this.end();
          return;
        }
        const outcome = await this.bring(key);
        if (outcome === "opened" && problems.length) this.panels.say(problems[problems.length - 1], true);
        if (outcome === "opened" || outcome === "stopped") return;
        if (outcome === "taken") taken++;
        else problems.push(`${this.nameOf(key)} cannot be opened: ${this.failed.get(key)}`);
      }
      const tried = problems.pop() ?? "others were faster at every case";
      this.lose(new Error(`${tried}; choose a case in the queue`));
    } catch (error) {
      this.lose(error);
    }
  }

  /** Opens a case in the place of the one in front, which stays if that fails. */
  private async bring(key: string, takeOver = false): Promise<Outcome> {
    this.state = "loading";
    try {
      const content = await this.server.open(key, takeOver);
      const image = await this.server.image(key);
      this.putAway();
      this.work = await this.screen.show(content, image);
      this.failed.delete(key);
      this.desk = await this.server.desk();
      this.tellQueue();
      this.panels.say("");
      document.body.dataset.case = key;
      this.state = "ready";
      this.screen.tell(this.work);
      this.work.resend();
      return "opened";
    } catch (error) {
      return this.notBrought(key, error);
    }
  }

  private async notBrought(key: string, error: unknown): Promise<Outcome> {
    const status = error instanceof Refused ? error.status : 0;
    if (this.server.stopped) {
      this.lose(this.server.stopped);
      return "stopped";
    }
    this.panels.say(textOf(error), true);
    if (error instanceof Refused && error.kind === "other tab") return this.takeOver(key, textOf(error));
    if (status === 409) return "taken";
    this.failed.set(key, textOf(error));
    this.tellQueue();
    void this.server.post(key, "close", () => ({})).catch(() => undefined); // so that others may try
    return "failed";
  }

  private async takeOver(key: string, question: string): Promise<Outcome> {
    if ((await ask(`${question}?`, "take over here")) !== null) return this.bring(key, true);
    this.state = this.work ? "ready" : "lost";
    return "stopped";
  }

  /** Brings the case into the store; false if it should not be after all. */
  private async bringIn(work: Casework, nothingToMark: boolean): Promise<boolean> {
    try {
      await work.tell("finish", { nothing_to_mark: nothingToMark });
      return true;
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 428) throw error;
      this.panels.say("");
      const answer = error.kind === "unseen" ? "leave it unknown" : "there is nothing to mark";
      return (await ask(error.message, answer)) !== null && this.bringIn(work, true);
    }
  }

  /** Gives back the case in front, with what was seen of it. */
  private putAway(): void {
    const { work } = this;
    if (!work) return;
    const note = work.note();
    this.clear();
    void this.server.post(work.content.key, "close", () => note).catch(() => undefined);
  }

  /** Nothing more is drawn or sent of the case in front until a person opens one. */
  private lose(error: unknown): void {
    this.clear();
    this.state = "lost";
    const { size } = this.server.outbox;
    const waiting = size ? `; ${size === 1 ? "1 turn waits" : `${size} turns wait`} in this tab` : "";
    this.panels.say(`${textOf(error)}${waiting}`, true);
  }

  private end(): void {
    this.clear();
    this.sayDone();
    this.state = "done";
  }

  private clear(): void {
    this.work?.end();
    this.work = null;
    this.screen.clear();
  }

  private nameOf(key: string): string {
    return this.desk.items.find((item) => item.key === key)?.uid ?? key;
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function countCases(count: number): string {
  return count === 1 ? "1 case" : `${count} cases`;
}
