// One case in work: its label map, its turns, what waits to be sent, and what was looked at.

import type { Clock } from "./clock";
import { applyChanges, encodeRuns } from "./runs";
import type { Server } from "./server";
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

  constructor(
    readonly content: Case,
    private readonly server: Server,
    private readonly viewer: Viewer,
    private readonly clock: Clock,
    private readonly onChange: () => void,
    private readonly onRefused: (error: unknown) => void,
    private readonly whileWorking: (answer: Promise<void>) => Promise<void>,
  ) {
    const [depth, rows, columns] = content.shape;
    this.labels = new Uint8Array(depth * rows * columns).fill(content.rest);
    this.turns = content.turns;
    this.seen = new Set(content.seen.map(String));
    applyChanges(this.labels, content.labels, (start, end) => viewer.draw(this.labels, content.rest, start, end));
    viewer.refresh();
    clock.reset(content.active_s);
    this.timer = window.setInterval(() => void this.send("look", () => ({})), LOOK_MS);
  }

  /** Stops telling the server of it, and counting. */
  end(): void {
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
  note(): Record<string, unknown> {
    const seen = [...this.unsentSeen].map((place) => place.split(",").map(Number));
    this.unsentSeen.clear();
    return { seen, active_s: this.clock.take() };
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

  /** Takes back the last turn that stands. */
  async undo(): Promise<void> {
    let number = 0;
    const answer = await this.send("remove", () => {
      number = Math.max(0, ...this.turns.filter((entry) => entry.stands).map((entry) => entry.number));
      return { number };
    });
    if (answer) this.takenBack.push(number);
    this.stand(answer, number, false);
  }

  /** Gives the turn that was taken back last again. */
  async redo(): Promise<void> {
    const number = this.takenBack.pop();
    if (number !== undefined) await this.restore(number);
  }

  async remove(number: number): Promise<void> {
    const answer = await this.send("remove", () => ({ number }));
    if (answer) this.takenBack.push(number);
    this.stand(answer, number, false);
  }

  async restore(number: number): Promise<void> {
    this.stand(await this.send("restore", () => ({ number })), number, true);
  }

  get canUndo(): boolean {
    return this.turns.some((entry) => entry.stands);
  }

  get canRedo(): boolean {
    return this.takenBack.length > 0;
  }

  private async give(turn: Record<string, unknown>, after?: () => void): Promise<void> {
    const answer = await this.send("turns", () => ({ turn }), after);
    if (!answer) return;
    const { number, turn: shown, other_answers = [] } = answer;
    if (number !== undefined && shown) this.turns.push({ number, turn: shown, stands: true, other_answers });
    this.takenBack.length = 0;
    this.suggested = answer.suggested ?? null;
    this.onChange();
  }

  private stand(answer: Answer | null, number: number, stands: boolean): void {
    if (!answer) return;
    const others = new Map(answer.redrawn?.map((turn) => [turn.number, turn.other_answers]));
    for (const entry of this.turns) {
      if (entry.number === number) entry.stands = stands;
      entry.other_answers = others.get(entry.number) ?? entry.other_answers;
    }
    this.onChange();
  }

  private async send(
    what: string,
    content: () => Record<string, unknown>,
    after?: () => void,
  ): Promise<Answer | null> {
    try {
      const answer = await this.server.post(this.content.key, what, () => ({ ...content(), ...this.note() }));
      after?.();
      this.apply(answer);
      return answer;
    } catch (error) {
      after?.();
      this.onRefused(error);
      return null;
    }
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
