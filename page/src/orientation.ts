// How the axes of the store (z, y, x) lie in a viewer that turns images to right, anterior, superior.

import type { Voxel } from "./types";

export class Orientation {
  private readonly turn: { axis: number; back: boolean }[];
  private readonly steps: Voxel = [1, 1, 1];
  private readonly offset: number;

  /** `permutation` says for right, anterior and superior which axis of NIfTI's (x, y, z) runs along it, from 1; below 0 backwards. */
  constructor(
    permutation: readonly number[],
    private readonly shape: Voxel,
  ) {
    // NIfTI counts (x, y, z), the store (z, y, x)
    this.turn = permutation.map((from) => ({ axis: 3 - Math.abs(from), back: from < 0 }));
    const [first, second] = this.sizes;
    const strides = [1, first, first * second];
    this.turn.forEach(({ axis, back }, to) => (this.steps[axis] = back ? -strides[to] : strides[to]));
    this.offset = this.turn.reduce((sum, { back }, to) => sum + (back ? strides[to] * (this.sizes[to] - 1) : 0), 0);
  }

  /** Voxels along right, anterior and superior. */
  get sizes(): number[] {
    return this.turn.map(({ axis }) => this.shape[axis]);
  }

  /** The store's axis that runs along right (0), anterior (1) or superior (2). */
  axisOf(anatomical: number): number {
    return this.turn[anatomical].axis;
  }

  /** Where a voxel of the store, by its flat index, lies in the turned image. */
  placeOf(flat: number): number {
    const [, rows, columns] = this.shape;
    const [slice, column] = [Math.floor(flat / (columns * rows)), flat % columns];
    const row = Math.floor(flat / columns) % rows;
    return this.offset + slice * this.steps[0] + row * this.steps[1] + column * this.steps[2];
  }

  /** A position from its shares of the turned image's sides. */
  fromShares(shares: ArrayLike<number>): Voxel {
    const voxel: Voxel = [0, 0, 0];
    this.turn.forEach(({ axis, back }, to) => {
      voxel[axis] = (back ? 1 - shares[to] : shares[to]) * this.shape[axis] - 0.5;
    });
    return voxel;
  }

  toShares(voxel: Voxel): [number, number, number] {
    const shares = voxel.map((value, axis) => (value + 0.5) / this.shape[axis]);
    return this.turn.map(({ axis, back }) => (back ? 1 - shares[axis] : shares[axis])) as [number, number, number];
  }
}
