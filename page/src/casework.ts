// One case in work: its label map, its turns, what waits to be sent, and what was looked at.

import type { Clock } from "./clock";
import type { Note, Waiting } from "./outbox";
import { applyChanges, encodeRuns } from "./runs";
import { Away, Refused, isLost, type Server } from "./server";
import type { Answer, Case, Plane, Prompt, TurnEntry, Voxel } from "./types";
import type { Viewer } from "./viewer";

const LOOK_MS = 20_000;

export class Casework {
  readonly labels: Uint8Array;
  turns: TurnEntry[];
  readonly seen: Set<string>;
  /** Where a click would teach the model most, after its last answer. */
  suggested: Voxel | null = null;
  private readonly unsentSeen = new Set<string>();
  private readonly pending = new Map<symbol, { voxels: Set<number>; value: number }>();
  private readonly takenBack: number[] = [];
  private readonly timer: number;
  private choosing = false;
  private ended = false;
  private refusals = 0;

  constructor(
    readonly content: Case,
    private readonly server: Server,
    private readonly viewer: Viewer,
    private readonly clock: Clock,
    private readonly onChange: () => void,
    private readonly onRefused: (error: unknown, work: Casework) => void,
    private readonly whileWorking: (answer: Promise<void>) => Promise<void>,
  ) {
    const [depth, rows, columns] = content.shape;
    this.labels = new Uint8Array(depth * rows * columns).fill(content.rest);
    this.turns = content.turns;
    this.seen = new Set(content.seen.map(String));
    applyChanges(this.labels, content.labels, (start, end) => viewer.draw(this.labels, content.rest, start, end));
    viewer.refresh();
    clock.reset(content.active_s);
    const untold = server.outbox.takeNote(content.key);
    if (untold) this.putBack(untold);
    this.timer = window.setInterval(() => void this.tellLooked(), LOOK_MS);
  }

  /** Stops telling the server of it, and counting. */
  end(): void {
    this.ended = true;
    this.clock.stop();
    window.clearInterval(this.timer);
  }

  /** Slices that were on screen for a moment, or while a turn was given, however quickly. */
  look(planes: readonly Plane[]): void {
    for (const { axis, index } of planes) {
      const place = `${axis},${index}`;
      if (!this.seen.has(place)) {
        this.seen.add(place);
        this.unsentSeen.add(place);
      }
    }
  }

  /** What is told with every message. */
  note(): Note {
    const seen = [...this.unsentSeen].map((place) => place.split(",").map(Number));
    this.unsentSeen.clear();
    return { seen, active_s: this.clock.take() };
  }

  /** Tells what changes nothing on the map. */
  async tell(what: string, content: object): Promise<void> {
    const told: Note = { seen: [], active_s: 0 };
    const body = () => {
      if (this.ended) throw new Away();
      return { ...content, ...Object.assign(told, this.note()) };
    };
    try {
      await this.server.post(this.content.key, what, body);
    } catch (error) {
      // the server keeps the seconds before it finishes; slices may be told twice
      this.putBack({ seen: told.seen, active_s: what === "finish" ? 0 : told.active_s });
      throw error;
    }
  }

  /** Tells that the tab goes, and keeps for its return what waits. */
  leave(): void {
    const { key } = this.content;
    const note = this.note();
    const waits = this.server.outbox.of(key).length > 0;
    if (waits) this.server.outbox.keepNote(key, note);
    this.server.leave(key, waits ? {} : note);
  }

  /** Waits until every turn so far is answered; false if one was refused. */
  async settled(): Promise<boolean> {
    const { refusals } = this;
    await this.server.settled();
    return !this.ended && this.refusals === refusals;
  }

  /** Shows the case as the server has it; the image and what is on screen stay. */
  async restate(): Promise<void> {
    this.apply({ ...(await this.server.open(this.content.key, false)), again: true });
    this.onChange();
  }

  /** Sends again what a reload of the tab, or a server that was lost, left waiting. */
  resend(): void {
    for (const waiting of this.server.outbox.of(this.content.key)) {
      void (waiting.what === "turns" ? this.whileWorking(this.given(waiting)) : this.stood(waiting));
    }
  }

  /** Shows painted voxels at once; they are not sent before `paint`. */
  preview(voxels: Set<number>, value: number): void {
    for (const voxel of voxels) {
      this.labels[voxel] = value;
      this.viewer.draw(this.labels, this.content.rest, voxel, voxel + 1);
    }
    this.viewer.refresh();
  }

  /** Voxels that a tool gave one value; what the model answers meanwhile does not undo them. */
  async paint(tool: string, value: number, voxels: Set<number>): Promise<void> {
    if (!voxels.size) return;
    this.look(this.viewer.planes);
    const mark = Symbol(tool);
    this.pending.set(mark, { voxels, value });
    this.preview(voxels, value);
    await this.give({ type: "paint", tool, value, runs: encodeRuns(voxels) }, () => this.pending.delete(mark));
  }

  /** The voxels that a label has on a slice from now on. */
  async outline(label: number, plane: Plane, voxels: Set<number>): Promise<void> {
    this.look(this.viewer.planes);
    await this.give({ type: "outline", label, plane, runs: encodeRuns(voxels) });
  }

  /** Prompts that the model answers. */
  async prompt(label: number, plane: Plane | null, prompts: Prompt[]): Promise<void> {
    this.look(this.viewer.planes);
    await this.whileWorking(this.give({ type: "prompts", label, plane, prompts }));
  }

  /** Something that is done to a label as a whole. */
  async edit(what: string, label: number, plane: Plane | null, value: number | string | null = null): Promise<void> {
    this.look(this.viewer.planes);
    await this.give({ type: "edit", what, label, plane, value });
  }

  /** The turn after which another answer of the model may be taken: the last one that stands, if there are several. */
  get choice(): TurnEntry | null {
    const last = this.turns.filter((entry) => entry.stands).sort((one, other) => one.number - other.number).pop();
    return last?.other_answers.length ? last : null;
  }

  /** Takes another answer of the model in the place of its last one. */
  async choose(name: string): Promise<void> {
    const turn = this.choice?.turn;
    if (this.choosing || (turn?.type !== "prompts" && turn?.type !== "edit")) return;
    this.choosing = true; // a second press means the same answer
    await this.whileWorking(this.edit("choose", turn.label, turn.plane, name));
    this.choosing = false;
  }

  /** Takes back the last turn that stands when those before are answered. */
  async undo(): Promise<void> {
    const waiting = this.server.outbox.of(this.content.key);
    if (!this.canUndo && !waiting.length) return;
    const taken = new Set(waiting.map((entry) => entry.of));
    const last = waiting.filter((entry) => entry.what === "turns" && !taken.has(entry.id)).pop();
    await this.stood(this.put("remove", {}, last?.id));
  }

  /** Gives the turn that was taken back last again. */
  async redo(): Promise<void> {
    const number = this.takenBack.pop();
    if (number !== undefined) await this.restore(number);
  }

  async remove(number: number): Promise<void> {
    await this.stood(this.put("remove", { number }));
  }

  async restore(number: number): Promise<void> {
    await this.stood(this.put("restore", { number }));
  }

  get canUndo(): boolean {
    return this.turns.some((entry) => entry.stands);
  }

  get canRedo(): boolean {
    return this.takenBack.length > 0;
  }

  private put(what: Waiting["what"], content: Record<string, unknown>, of?: string): Waiting {
    return this.server.outbox.put(this.content.key, what, content, of);
  }

  private give(turn: Record<string, unknown>, after?: () => void): Promise<void> {
    return this.given(this.put("turns", { turn }), after);
  }

  private given(waiting: Waiting, after?: () => void): Promise<void> {
    const taken = ({ number, turn, other_answers = [], suggested = null }: Answer) => {
      if (number !== undefined && turn) this.turns.push({ number, turn, stands: true, other_answers });
      this.takenBack.length = 0;
      this.suggested = suggested;
    };
    return this.send(waiting, taken, after);
  }

  private stood(waiting: Waiting): Promise<void> {
    return this.send(waiting, ({ redrawn }) => {
      const number = waiting.content.number as number;
      if (waiting.what === "remove") this.takenBack.push(number);
      const others = new Map(redrawn?.map((turn) => [turn.number, turn.other_answers]));
      for (const entry of this.turns) {
        if (entry.number === number) entry.stands = waiting.what === "restore";
        entry.other_answers = others.get(entry.number) ?? entry.other_answers;
      }
    });
  }

  private async tellLooked(): Promise<void> {
    // a word renews the lease, and a case that is left alone becomes free
    if (!this.unsentSeen.size && !this.clock.worked) return;
    await this.tell("look", {}).catch((error: unknown) => this.onRefused(error, this));
  }

  /** What is taken from the answer is there before the next message is asked for its content. */
  private async send(waiting: Waiting, taken: (answer: Answer) => void, after?: () => void): Promise<void> {
    const { outbox } = this.server;
    try {
      const answer = await this.server.post(waiting.key, waiting.what, () => this.bodyOf(waiting), waiting.id);
      outbox.drop(waiting);
      after?.();
      this.apply(answer);
      taken(answer);
      this.onChange();
    } catch (error) {
      after?.();
      if (error instanceof Away) return;
      this.refusals++;
      const broke = error instanceof Refused && error.status === 500 && outbox.broke(waiting);
      if (broke || !isLost(error)) this.giveUp(waiting);
      this.onRefused(error, this);
    }
  }

  /** As it is sent, whenever and however often that is. */
  private bodyOf(waiting: Waiting): object {
    if (this.ended || !this.server.outbox.holds(waiting)) throw new Away();
    if (waiting.content.active_s === undefined) {
      const standing = this.turns.filter((entry) => entry.stands).map((entry) => entry.number);
      const last = waiting.what === "remove" ? { number: Math.max(0, ...standing) } : {};
      waiting.content = { ...last, ...waiting.content, ...this.note() };
      this.server.outbox.keep();
    }
    return waiting.content;
  }

  private giveUp(waiting: Waiting): void {
    const { seen, active_s } = waiting.content as Partial<Note>;
    this.putBack({ seen: seen ?? [], active_s: active_s ?? 0 });
    this.server.outbox.giveUp(waiting);
  }

  /** What was told in vain is told with the next message. */
  private putBack({ seen, active_s }: Note): void {
    for (const place of seen.map(String)) {
      this.seen.add(place);
      this.unsentSeen.add(place);
    }
    this.clock.give(active_s);
  }

  /** Shows what the server answered, and on top of it what was painted meanwhile. */
  private apply(answer: Answer): void {
    const draw = (start: number, end: number) => this.viewer.draw(this.labels, this.content.rest, start, end);
    if (answer.again && answer.labels && answer.turns) {
      this.labels.fill(this.content.rest);
      draw(0, this.labels.length);
      applyChanges(this.labels, answer.labels, draw);
      this.turns = answer.turns;
    }
    applyChanges(this.labels, answer.changes ?? [], draw);
    for (const { voxels, value } of this.pending.values()) {
      for (const voxel of voxels) {
        this.labels[voxel] = value;
        draw(voxel, voxel + 1);
      }
    }
    this.viewer.refresh();
  }
}
