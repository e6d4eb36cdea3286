// What the hand does on the canvas, tool by tool.

import { axesOf, inVolume, onPlane, polygonVoxels, strokeVoxels } from "./geometry";
import type { Casework } from "./casework";
import { OutlineEditor } from "./outline";
import type { ToolName } from "./toolbox";
import type { Plane, Prompt, Side, Voxel } from "./types";
import type { Viewer } from "./viewer";

/** Of one line: with the answer that repeats them they stay below 30 kB. */
const MOST_POSITIONS = 1000;

/** What a hand is about to give, to be shown while it moves. */
export interface Sketch {
  line: Voxel[];
  plane: Plane;
  closed: boolean;
  dots: boolean;
  /** Where it lies; null for what encloses or cuts. */
  side: Side | null;
}

export interface Settings {
  tool: ToolName;
  label: number;
  /** In voxels of the finer side of the slice; 0 is one voxel. */
  radius: number;
  /** The value that the eraser leaves. */
  erased: number;
  /** Of the model: whether it answers on slices or on the volume; null without one. */
  dimensions: number | null;
  /** The kind of prompt that single points make, such as `interior-margin-points`. */
  points: string;
}

interface Grip {
  line: Voxel[];
  plane: Plane;
  background: boolean;
  painted: Set<number>;
  from: [number, number];
  window: [number, number];
}

export class Hand {
  sketch: Sketch | null = null;
  readonly outline: OutlineEditor;
  private grip: Grip | null = null;
  private collected: Voxel[] = [];
  private collectedOn: Plane | null = null;

  constructor(
    private readonly viewer: Viewer,
    private readonly settings: Settings,
    private readonly casework: () => Casework | null,
  ) {
    this.outline = new OutlineEditor(viewer);
  }

  down(left: number, top: number, background: boolean): void {
    const work = this.casework();
    const there = this.viewer.at(left, top);
    if (!work || !there) return;
    const { voxel, plane } = there;
    if (this.settings.tool === "vertices") {
      this.outline.down(voxel, plane, [left, top], background, work);
      return;
    }
    if (this.settings.tool === "points" || this.settings.tool === "polygon" || this.settings.tool === "polygon-fill") {
      this.collect(voxel, plane);
      return;
    }
    const grip = { line: [voxel], plane, background, painted: new Set<number>() };
    this.grip = { ...grip, from: [left, top], window: this.viewer.window };
    this.continue(work);
  }

  move(left: number, top: number): void {
    const work = this.casework();
    const { grip } = this;
    if (this.settings.tool === "vertices") {
      const there = this.viewer.at(left, top);
      if (there) this.outline.move(there.voxel);
      return;
    }
    if (!work || !grip) return;
    if (this.settings.tool === "window") {
      const [low, high] = grip.window;
      const width = Math.max(high - low, 1e-6);
      const level = (low + high) / 2 + ((top - grip.from[1]) / 300) * width;
      const wider = width * Math.exp((left - grip.from[0]) / 300);
      this.viewer.setWindow(level - wider / 2, level + wider / 2);
      return;
    }
    const there = this.viewer.at(left, top);
    if (!there || there.plane.axis !== grip.plane.axis) return;
    if (this.settings.tool === "pan") {
      this.viewer.pan(grip.line[0], there.voxel);
      return;
    }
    grip.line.push(there.voxel);
    this.continue(work);
  }

  async up(): Promise<void> {
    const work = this.casework();
    const { grip } = this;
    this.grip = null;
    this.sketch = null;
    this.outline.up();
    if (!work || !grip) return;
    const { tool } = this.settings;
    if (tool === "brush" || tool === "eraser" || tool === "scribble") {
      await work.paint(tool, this.value(grip.background), grip.painted);
      return;
    }
    const prompt = this.promptOf(grip);
    if (prompt) await this.give(work, grip.plane, prompt);
  }

  /** Ends what was collected point by point. */
  async complete(): Promise<void> {
    const work = this.casework();
    if (work && this.settings.tool === "vertices") {
      await this.outline.complete(work);
      return;
    }
    const plane = this.collectedOn;
    const points = this.collected;
    this.forget();
    if (!work || !plane || !points.length) return;
    const { tool, label } = this.settings;
    if (tool === "polygon-fill" && points.length >= 3) {
      await work.paint("polygon", label, polygonVoxels(points, plane, work.content.shape));
    } else if (tool === "polygon" && points.length >= 3) {
      const vertices = points.map((voxel) => this.on(voxel, plane));
      await this.give(work, plane, { type: "polygon", version: 1, vertices });
    } else if (tool === "points") {
      const positions = points.map((voxel) => this.on(voxel, plane));
      await this.give(work, plane, { type: this.settings.points, version: 1, positions });
    }
  }

  /** Whether a line is being drawn. */
  get drawing(): boolean {
    return this.grip !== null;
  }

  /** Forgets what was collected. */
  forget(): void {
    this.collected = [];
    this.collectedOn = null;
    this.sketch = null;
    this.grip = null;
    this.outline.forget();
  }

  private collect(voxel: Voxel, plane: Plane): void {
    const { dimensions } = this.settings;
    const same = this.collectedOn?.axis === plane.axis && this.collectedOn.index === plane.index;
    if (!same && (dimensions !== 3 || this.settings.tool !== "points")) this.collected = [];
    this.collectedOn = plane;
    this.collected.push(voxel);
    const dots = this.settings.tool === "points";
    this.sketch = { line: this.collected, plane, closed: !dots, dots, side: dots ? "foreground" : null };
  }

  private continue(work: Casework): void {
    const { grip } = this;
    if (!grip) return;
    const { tool } = this.settings;
    if (tool === "brush" || tool === "eraser" || tool === "scribble") {
      const { shape, spacing_mm } = work.content;
      const covered = strokeVoxels(grip.line.slice(-2), grip.plane, this.settings.radius, shape, spacing_mm);
      for (const voxel of covered) grip.painted.add(voxel);
      work.preview(covered, this.value(grip.background));
    } else if (tool === "box") {
      const [first, second] = axesOf(grip.plane);
      const [from, to] = [grip.line[0], grip.line[grip.line.length - 1]];
      const corner = (one: number, other: number): Voxel => {
        const voxel = [...from] as Voxel;
        voxel[first] = one;
        voxel[second] = other;
        return voxel;
      };
      const line = [from, corner(from[first], to[second]), to, corner(to[first], from[second])];
      this.sketch = { line, plane: grip.plane, closed: true, dots: false, side: null };
    } else if (tool === "cut-line") {
      const line = [grip.line[0], grip.line[grip.line.length - 1]];
      this.sketch = { line, plane: grip.plane, closed: false, dots: false, side: null };
    } else {
      const closed = tool === "enclosing-scribble";
      const dots = tool === "click" || tool === "boundary-click";
      const side = closed ? null : sideOf(tool, grip.background);
      this.sketch = { line: grip.line, plane: grip.plane, closed, dots, side };
    }
  }

  /** What the hand said to the model; null where the tool says nothing to it, or the line encloses nothing. */
  private promptOf({ line, plane, background }: Grip): Prompt | null {
    const { tool } = this.settings;
    const side = sideOf(tool, background);
    const [first, last] = [line[0], line[line.length - 1]].map((voxel) => this.on(voxel, plane));
    const drawn = thinned(line).map((voxel) => this.on(voxel, plane));
    switch (tool) {
      case "click":
      case "boundary-click":
        return { type: "click", version: 1, position: first, side };
      case "prompt-scribble":
      case "boundary-scribble":
        return { type: "scribble", version: 1, strokes: [drawn], side };
      case "enclosing-scribble":
        return drawn.length < 3 ? null : { type: "enclosing-scribble", version: 1, vertices: drawn };
      case "cut-line":
        return { type: "cut-line", version: 1, start: first, end: last };
      case "box": {
        const low = first.map((value, axis) => Math.min(value, last[axis]));
        const high = first.map((value, axis) => Math.max(value, last[axis]));
        return { type: "box", version: 1, low, high };
      }
      default:
        return null;
    }
  }

  private give(work: Casework, plane: Plane, prompt: Prompt): Promise<void> {
    return work.prompt(this.settings.label, this.settings.dimensions === 2 ? plane : null, [prompt]);
  }

  /** A position in the axes of the model, to a hundredth of a voxel, cut off so that it stays inside the image. */
  private on(voxel: Voxel, plane: Plane): number[] {
    const position = this.settings.dimensions === 2 ? onPlane(voxel, plane) : inVolume(voxel, null);
    return position.map((value) => Math.trunc(100 * value) / 100);
  }

  private value(background: boolean): number {
    if (this.settings.tool === "eraser") return this.settings.erased;
    return background ? 0 : this.settings.label;
  }
}

function sideOf(tool: ToolName, background: boolean): Side {
  if (tool === "boundary-click" || tool === "boundary-scribble") return "boundary";
  return background ? "background" : "foreground";
}

/** A line without the positions that a slow hand gives in one place, and with no more of them than a message may hold. */
function thinned(line: readonly Voxel[], apart = 0.5): Voxel[] {
  const kept = [line[0]];
  for (const voxel of line) {
    const last = kept[kept.length - 1];
    if (Math.max(...voxel.map((value, axis) => Math.abs(value - last[axis]))) >= apart) kept.push(voxel);
  }
  return kept.length > MOST_POSITIONS ? thinned(line, 2 * apart) : kept;
}
