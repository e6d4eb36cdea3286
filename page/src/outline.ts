// The outline of a part of a label on a slice, as polygons whose vertices can be moved, added and removed.

import { axesOf, flatIndex, nearest, ringsVoxels } from "./geometry";
import type { Casework } from "./casework";
import type { Plane, Voxel } from "./types";
import type { Viewer } from "./viewer";

/** In voxels: how far a vertex may lie off the line before it is kept. */
const TOLERANCE = 0.5;
/** In CSS pixels. */
const REACH = 9;
const COLOUR = "#facc15";
const FEWEST_VERTICES = 3;

interface Part {
  label: number;
  plane: Plane;
  voxels: Set<number>;
  /** The outer line, and those of holes. */
  rings: Voxel[][];
}

export class OutlineEditor {
  private part: Part | null = null;
  private held: { ring: Voxel[]; place: number } | null = null;

  constructor(private readonly viewer: Viewer) {}

  /** Takes hold of a vertex, makes one on a line, removes one, or begins with the part that lies there. */
  down(voxel: Voxel, plane: Plane, at: [number, number], remove: boolean, work: Casework): void {
    const vertex = this.nearestVertex(plane, at);
    if (vertex && remove) {
      if (vertex.ring.length > FEWEST_VERTICES) vertex.ring.splice(vertex.place, 1);
      return;
    }
    this.held = vertex ?? this.newVertex(voxel, plane, at);
    if (!this.held) this.begin(nearest(voxel, work.content.shape), plane, work);
  }

  move(voxel: Voxel): void {
    if (this.held) this.held.ring[this.held.place] = voxel;
  }

  up(): void {
    this.held = null;
  }

  /** Gives the label what the lines enclose now, in the place of the part that they were drawn around. */
  async complete(work: Casework): Promise<void> {
    const { part } = this;
    this.forget();
    if (!part) return;
    const { label, plane } = part;
    const shape = work.content.shape;
    const drawn = ringsVoxels(part.rings, plane, shape);
    for (const flat of voxelsOf(plane, shape)) {
      if (work.labels[flat] === label && !part.voxels.has(flat)) drawn.add(flat);
    }
    if (drawn.size) await work.outline(label, plane, drawn);
  }

  forget(): void {
    this.part = null;
    this.held = null;
  }

  draw(context: CanvasRenderingContext2D): void {
    const { part } = this;
    document.body.dataset.vertices = part ? String(part.rings.flat().length) : "";
    if (!part || !this.isShown(part.plane)) return;
    context.strokeStyle = context.fillStyle = COLOUR;
    context.lineWidth = 1.5;
    for (const ring of part.rings) {
      const places = ring.map((vertex) => this.viewer.place(vertex, part.plane.axis)).filter((place) => place !== null);
      context.beginPath();
      places.forEach(([left, top], place) => (place ? context.lineTo(left, top) : context.moveTo(left, top)));
      context.closePath();
      context.stroke();
      for (const [left, top] of places) context.fillRect(left - 3, top - 3, 6, 6);
    }
  }

  private begin(voxel: Voxel, plane: Plane, work: Casework): void {
    const { shape, rest } = work.content;
    const label = work.labels[flatIndex(voxel, shape)];
    this.part = null;
    if (label === rest || label === 0) return;
    const voxels = connected(voxel, plane, shape, (flat) => work.labels[flat] === label);
    const rings = outlines(voxels, plane, shape).map(simplified);
    this.part = { label, plane, voxels, rings };
  }

  private nearestVertex(plane: Plane, at: [number, number]): { ring: Voxel[]; place: number } | null {
    let found: { ring: Voxel[]; place: number } | null = null;
    let closest = REACH;
    this.eachVertex(plane, (ring, place, [left, top]) => {
      const distance = Math.hypot(left - at[0], top - at[1]);
      if (distance < closest) [closest, found] = [distance, { ring, place }];
    });
    return found;
  }

  /** A vertex on the side of a ring that passes there. */
  private newVertex(voxel: Voxel, plane: Plane, at: [number, number]): { ring: Voxel[]; place: number } | null {
    let found: { ring: Voxel[]; place: number } | null = null;
    let closest = REACH;
    this.eachVertex(plane, (ring, place, from) => {
      const to = this.viewer.place(ring[(place + 1) % ring.length], plane.axis);
      const distance = to ? distanceToSide(at, from, to) : Infinity;
      if (distance < closest) [closest, found] = [distance, { ring, place: place + 1 }];
    });
    const side = found as { ring: Voxel[]; place: number } | null;
    side?.ring.splice(side.place, 0, voxel);
    return side;
  }

  private eachVertex(plane: Plane, tell: (ring: Voxel[], place: number, at: [number, number]) => void): void {
    const { part } = this;
    if (!part || part.plane.axis !== plane.axis || part.plane.index !== plane.index) return;
    for (const ring of part.rings) {
      ring.forEach((vertex, place) => {
        const at = this.viewer.place(vertex, plane.axis);
        if (at) tell(ring, place, at);
      });
    }
  }

  private isShown(plane: Plane): boolean {
    return this.viewer.planes.some(({ axis, index }) => axis === plane.axis && index === plane.index);
  }
}

/** Flat indices of all voxels of a slice. */
function* voxelsOf(plane: Plane, shape: Voxel): Generator<number> {
  const [first, second] = axesOf(plane);
  const voxel: Voxel = [plane.index, plane.index, plane.index];
  for (voxel[first] = 0; voxel[first] < shape[first]; voxel[first]++) {
    for (voxel[second] = 0; voxel[second] < shape[second]; voxel[second]++) yield flatIndex(voxel, shape);
  }
}

/** Voxels of a slice that are connected with one over their sides. */
function connected(from: Voxel, plane: Plane, shape: Voxel, belongs: (flat: number) => boolean): Set<number> {
  const found = new Set([flatIndex(from, shape)]);
  const waiting = [from];
  for (let voxel = waiting.pop(); voxel; voxel = waiting.pop()) {
    for (const axis of axesOf(plane)) {
      for (const step of [-1, 1]) {
        const beside = [...voxel] as Voxel;
        beside[axis] += step;
        if (beside[axis] < 0 || beside[axis] >= shape[axis]) continue;
        const flat = flatIndex(beside, shape);
        if (found.has(flat) || !belongs(flat)) continue;
        found.add(flat);
        waiting.push(beside);
      }
    }
  }
  return found;
}

/** Closed lines through the middles of the sides where voxels of a slice end: around them, and around their holes. */
export function outlines(voxels: ReadonlySet<number>, plane: Plane, shape: Voxel): Voxel[][] {
  const [first, second] = axesOf(plane);
  const at = (down: number, right: number): Voxel => {
    const voxel: Voxel = [plane.index, plane.index, plane.index];
    voxel[first] = down;
    voxel[second] = right;
    return voxel;
  };
  const has = (down: number, right: number): boolean =>
    down >= 0 && right >= 0 && down < shape[first] && right < shape[second] && voxels.has(flatIndex(at(down, right), shape));
  // sides lead from corner to corner, the voxel on their right; a corner is counted in rows of shape[second] + 1
  const sides = new Map<number, { to: number; middle: Voxel }[]>();
  const corner = (down: number, right: number): number => down * (shape[second] + 1) + right;
  const add = (from: number, to: number, middle: Voxel) => sides.set(from, [...(sides.get(from) ?? []), { to, middle }]);
  for (let down = 0; down < shape[first]; down++) {
    for (let right = 0; right < shape[second]; right++) {
      if (!has(down, right)) continue;
      if (!has(down - 1, right)) add(corner(down, right), corner(down, right + 1), at(down - 0.5, right));
      if (!has(down, right + 1)) add(corner(down, right + 1), corner(down + 1, right + 1), at(down, right + 0.5));
      if (!has(down + 1, right)) add(corner(down + 1, right + 1), corner(down + 1, right), at(down + 0.5, right));
      if (!has(down, right - 1)) add(corner(down + 1, right), corner(down, right), at(down, right - 0.5));
    }
  }
  const rings: Voxel[][] = [];
  for (const begin of sides.keys()) {
    while (sides.get(begin)?.length) {
      const ring: Voxel[] = [];
      for (let from = begin, side = sides.get(from)?.pop(); side; from = side.to, side = sides.get(from)?.pop()) {
        ring.push(side.middle);
        if (side.to === begin) break;
      }
      rings.push(ring);
    }
  }
  return rings;
}

/** A closed line with fewer vertices (Ramer 1972, Douglas and Peucker 1973). */
function simplified(ring: Voxel[]): Voxel[] {
  const far = ring.reduce((best, vertex, place) => (apart(vertex, ring[0]) > apart(ring[best], ring[0]) ? place : best), 0);
  const [out, back] = [ring.slice(0, far + 1), [...ring.slice(far), ring[0]]];
  const kept = [...thinned(out).slice(0, -1), ...thinned(back).slice(0, -1)];
  return kept.length < FEWEST_VERTICES ? ring : kept;
}

function thinned(line: Voxel[]): Voxel[] {
  const [from, to] = [line[0], line[line.length - 1]];
  let place = 0;
  let farthest = TOLERANCE;
  line.forEach((vertex, index) => {
    const distance = distanceToSide(vertex, from, to);
    if (distance > farthest) [farthest, place] = [distance, index];
  });
  if (!place) return [from, to];
  return [...thinned(line.slice(0, place + 1)).slice(0, -1), ...thinned(line.slice(place))];
}

function apart(one: readonly number[], other: readonly number[]): number {
  return Math.hypot(...one.map((value, axis) => value - other[axis]));
}

function distanceToSide(at: readonly number[], from: readonly number[], to: readonly number[]): number {
  const along = to.map((value, axis) => value - from[axis]);
  const length = along.reduce((sum, value) => sum + value * value, 0);
  const reached = along.reduce((sum, value, axis) => sum + value * (at[axis] - from[axis]), 0);
  const share = length ? Math.min(Math.max(reached / length, 0), 1) : 0;
  return apart(at, from.map((value, axis) => value + share * along[axis]));
}
