// Draws what was said, and what the hand is about to say, over the image.

import { inVolume } from "./geometry";
import type { Sketch } from "./tools";
import type { Plane, Prompt, Side, TurnEntry, Voxel } from "./types";
import type { Viewer } from "./viewer";

const FOREGROUND = "#4ade80";
const BACKGROUND = "#f87171";
const SUGGESTED = "#e879f9";
const REGION = "#facc15";
const BOUNDARY = "#38bdf8";
const COLOURS: Record<Side, string> = { foreground: FOREGROUND, background: BACKGROUND, boundary: BOUNDARY };

export class Marks {
  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly viewer: Viewer,
  ) {}

  /** Draws what lies below, the prompts of the turns that stand on the slices on screen, where to click, and a sketch. */
  draw(
    turns: readonly TurnEntry[],
    suggested: Voxel | null,
    sketch: Sketch | null,
    below: (context: CanvasRenderingContext2D) => void,
  ): void {
    const ratio = window.devicePixelRatio;
    const { clientWidth, clientHeight } = this.canvas;
    this.canvas.width = clientWidth * ratio;
    this.canvas.height = clientHeight * ratio;
    const context = this.canvas.getContext("2d") as CanvasRenderingContext2D;
    context.scale(ratio, ratio);
    below(context);
    context.lineWidth = 2;
    const planes = this.viewer.planes;
    for (const { turn, stands } of turns) {
      if (!stands || turn.type !== "prompts") continue;
      for (const prompt of turn.prompts) this.drawPrompt(context, prompt, turn.plane, planes);
    }
    for (const { axis, index } of planes) {
      const place = suggested && suggested[axis] === index ? this.viewer.place(suggested, axis) : null;
      if (!place) continue;
      context.strokeStyle = SUGGESTED;
      context.beginPath();
      context.arc(place[0], place[1], 9, 0, 2 * Math.PI);
      context.stroke();
    }
    if (sketch) {
      context.setLineDash([5, 4]);
      const colour = sketch.side ? COLOURS[sketch.side] : REGION;
      this.line(context, sketch.line, sketch.plane, colour, sketch.closed, sketch.dots);
      context.setLineDash([]);
    }
  }

  private drawPrompt(
    context: CanvasRenderingContext2D,
    prompt: Prompt,
    plane: Plane | null,
    planes: readonly Plane[],
  ): void {
    const colour = COLOURS[(prompt.side as Side | undefined) ?? "foreground"];
    const lists: [number[][], boolean, boolean, string][] = [];
    if (prompt.position) lists.push([[prompt.position as number[]], false, true, colour]);
    if (prompt.strokes) for (const stroke of prompt.strokes as number[][][]) lists.push([stroke, false, false, colour]);
    if (prompt.vertices) lists.push([prompt.vertices as number[][], true, false, REGION]);
    if (prompt.positions) lists.push([prompt.positions as number[][], false, true, colour]);
    if (prompt.start) lists.push([[prompt.start as number[], prompt.end as number[]], false, false, REGION]);
    if (prompt.low) lists.push([rectangle(prompt.low as number[], prompt.high as number[]), true, false, REGION]);
    for (const [positions, closed, dots, shade] of lists) {
      const voxels = positions.map((position) => inVolume(position, plane));
      for (const shown of planes) {
        if (plane ? plane.axis !== shown.axis || plane.index !== shown.index : !lies(voxels, shown)) continue;
        this.line(context, voxels, shown, shade, closed, dots);
      }
    }
  }

  private line(
    context: CanvasRenderingContext2D,
    voxels: readonly Voxel[],
    plane: Plane,
    colour: string,
    closed: boolean,
    dots: boolean,
  ): void {
    const places = voxels.map((voxel) => this.viewer.place(voxel, plane.axis)).filter((place) => place !== null);
    if (!places.length) return;
    context.strokeStyle = context.fillStyle = colour;
    context.beginPath();
    if (dots || places.length === 1) {
      for (const [left, top] of places) {
        context.moveTo(left + 4, top);
        context.arc(left, top, 4, 0, 2 * Math.PI);
      }
      context.fill();
      return;
    }
    places.forEach(([left, top], place) => (place ? context.lineTo(left, top) : context.moveTo(left, top)));
    if (closed) context.closePath();
    context.stroke();
  }
}

function rectangle(low: number[], high: number[]): number[][] {
  if (low.length === 3) return [low, high];
  return [low, [low[0], high[1]], high, [high[0], low[1]]];
}

function lies(voxels: readonly Voxel[], plane: Plane): boolean {
  return voxels.some((voxel) => Math.round(voxel[plane.axis]) === plane.index);
}
