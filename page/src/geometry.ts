// Voxels under a line, a disc or a polygon on a slice.

import type { Plane, Voxel } from "./types";

/** The two axes of a slice, in the order of (z, y, x). */
export function axesOf(plane: Plane): [number, number] {
  const [first, second] = [0, 1, 2].filter((axis) => axis !== plane.axis);
  return [first, second];
}

/** A position on a slice, in the axes of a model of two dimensions. */
export function onPlane(voxel: Voxel, plane: Plane): [number, number] {
  const [first, second] = axesOf(plane);
  return [voxel[first], voxel[second]];
}

/** The way back from `onPlane`. */
export function inVolume(position: readonly number[], plane: Plane | null): Voxel {
  if (plane === null || position.length === 3) return [position[0], position[1], position[2]];
  const voxel: Voxel = [plane.index, plane.index, plane.index];
  axesOf(plane).forEach((axis, place) => (voxel[axis] = position[place]));
  return voxel;
}

/** The voxel that a position lies in. */
export function nearest(voxel: Voxel, shape: Voxel): Voxel {
  return voxel.map((value, axis) => Math.min(Math.max(Math.floor(value + 0.5), 0), shape[axis] - 1)) as Voxel;
}

export function flatIndex(voxel: Voxel, shape: Voxel): number {
  return (voxel[0] * shape[1] + voxel[1]) * shape[2] + voxel[2];
}

/** Flat indices of the voxels that a round brush covers on its way along a line on a slice. */
export function strokeVoxels(
  line: readonly Voxel[],
  plane: Plane,
  radius: number,
  shape: Voxel,
  spacing: Voxel,
): Set<number> {
  const covered = new Set<number>();
  const [first, second] = axesOf(plane);
  const finest = Math.min(spacing[first], spacing[second]);
  const scale: [number, number] = [spacing[first] / finest, spacing[second] / finest];
  for (const position of along(line)) {
    const middle = nearest(position, shape);
    const reach = [Math.ceil(radius / scale[0]), Math.ceil(radius / scale[1])];
    for (let down = -reach[0]; down <= reach[0]; down++) {
      for (let right = -reach[1]; right <= reach[1]; right++) {
        if (Math.hypot(down * scale[0], right * scale[1]) > radius) continue;
        const voxel = [...middle] as Voxel;
        voxel[plane.axis] = plane.index;
        voxel[first] += down;
        voxel[second] += right;
        if (voxel.every((value, axis) => value >= 0 && value < shape[axis])) covered.add(flatIndex(voxel, shape));
      }
    }
  }
  return covered;
}

/** Flat indices of the voxels whose centres a closed line on a slice encloses. */
export function polygonVoxels(vertices: readonly Voxel[], plane: Plane, shape: Voxel): Set<number> {
  return ringsVoxels([vertices], plane, shape);
}

/** Flat indices of the voxels whose centres an odd number of closed lines on a slice enclose. */
export function ringsVoxels(rings: readonly (readonly Voxel[])[], plane: Plane, shape: Voxel): Set<number> {
  const [first, second] = axesOf(plane);
  const inside = new Set<number>();
  for (let down = 0; down < shape[first]; down++) {
    const crossings: number[] = [];
    for (const ring of rings) {
      ring.forEach((from, place) => {
        const to = ring[(place + 1) % ring.length];
        if (from[first] <= down !== to[first] <= down) {
          const share = (down - from[first]) / (to[first] - from[first]);
          crossings.push(from[second] + share * (to[second] - from[second]));
        }
      });
    }
    crossings.sort((left, right) => left - right);
    for (let place = 0; place + 1 < crossings.length; place += 2) {
      const last = Math.min(Math.floor(crossings[place + 1]), shape[second] - 1);
      for (let right = Math.max(Math.ceil(crossings[place]), 0); right <= last; right++) {
        const voxel: Voxel = [plane.index, plane.index, plane.index];
        voxel[first] = down;
        voxel[second] = right;
        inside.add(flatIndex(voxel, shape));
      }
    }
  }
  return inside;
}

/** Positions along a line, at most half a voxel apart. */
function* along(line: readonly Voxel[]): Generator<Voxel> {
  yield line[0];
  for (let place = 1; place < line.length; place++) {
    const [from, to] = [line[place - 1], line[place]];
    const steps = Math.max(Math.ceil(2 * Math.max(...to.map((value, axis) => Math.abs(value - from[axis])))), 1);
    for (let step = 1; step <= steps; step++) {
      yield from.map((value, axis) => value + ((to[axis] - value) * step) / steps) as Voxel;
    }
  }
}
