// Shows over the slice how uncertain the model's last answer was.

import { axesOf } from "./geometry";
import { decodeRuns } from "./runs";
import type { Server } from "./server";
import type { Levels, Plane, Voxel } from "./types";
import type { Viewer } from "./viewer";

/** Of the levels, the lowest first. */
const SHADES = ["rgba(232, 121, 249, 0.22)", "rgba(232, 121, 249, 0.42)", "rgba(232, 121, 249, 0.65)"];

export class Uncertainty {
  on = false;
  private shown: { plane: Plane; levels: Levels } | null = null;
  private asked = 0;

  constructor(
    private readonly server: Server,
    private readonly viewer: Viewer,
  ) {}

  /** Asks for the map of the first slice on screen; false if the model has not answered there. */
  async ask(key: string, label: number): Promise<boolean> {
    const plane = this.viewer.planes[0];
    const number = ++this.asked;
    if (!this.on || !plane) return false;
    const levels = await this.server.uncertainty(key, label, plane);
    if (number === this.asked) this.shown = levels && { plane, levels };
    return levels !== null;
  }

  forget(): void {
    this.asked++;
    this.shown = null;
  }

  draw(context: CanvasRenderingContext2D): void {
    const { shown } = this;
    document.body.dataset.uncertain = this.on && shown ? "shown" : "";
    if (!this.on || !shown) return;
    const { plane, levels } = shown;
    if (!this.viewer.planes.some(({ axis, index }) => axis === plane.axis && index === plane.index)) return;
    const [down, right] = axesOf(plane);
    const at = (first: number, second: number): [number, number] | null => {
      const voxel: Voxel = [plane.index, plane.index, plane.index];
      voxel[down] = first;
      voxel[right] = second;
      return this.viewer.place(voxel, plane.axis);
    };
    // a slice lies flat on the screen: three places tell where all others are
    const [origin, below, beside] = [at(0, 0), at(1, 0), at(0, 1)];
    if (!origin || !below || !beside) return;
    const { block, shape } = levels;
    const corner = (row: number, column: number): [number, number] => {
      const [first, second] = [row * block - 0.5, column * block - 0.5];
      return [
        origin[0] + first * (below[0] - origin[0]) + second * (beside[0] - origin[0]),
        origin[1] + first * (below[1] - origin[1]) + second * (beside[1] - origin[1]),
      ];
    };
    levels.levels.forEach((runs, level) => {
      context.fillStyle = SHADES[level];
      context.beginPath();
      for (const [start, end] of decodeRuns(runs)) {
        for (const [row, from, to] of rows(start, end, shape[1])) {
          const corners = [corner(row, from), corner(row, to), corner(row + 1, to), corner(row + 1, from)];
          corners.forEach(([left, top], place) => (place ? context.lineTo(left, top) : context.moveTo(left, top)));
          context.closePath();
        }
      }
      context.fill();
    });
  }
}

/** The parts of a run in each row of a slice, as row, first column and the one after the last. */
function* rows(start: number, end: number, width: number): Generator<[number, number, number]> {
  for (let at = start; at < end; ) {
    const row = Math.floor(at / width);
    const last = Math.min(end, (row + 1) * width);
    yield [row, at - row * width, last - row * width];
    at = last;
  }
}
