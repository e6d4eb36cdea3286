// Voxels as runs: gap since the last run and length, in turn, as LEB128 in base64. `lesslabel/annotating/wire.py` is the twin.

import type { Change } from "./types";

/** Encodes flat indices, which need not be sorted or unique. */
export function encodeRuns(voxels: Iterable<number>): string {
  const sorted = Int32Array.from(new Set(voxels)).sort();
  const bytes: number[] = [];
  let end = 0;
  for (let first = 0; first < sorted.length; ) {
    let last = first;
    while (last + 1 < sorted.length && sorted[last + 1] === sorted[last] + 1) last++;
    push(bytes, sorted[first] - end);
    push(bytes, last - first + 1);
    end = sorted[last] + 1;
    first = last + 1;
  }
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Writes changes into a label map, and tells which voxels were written, run by run. */
export function applyChanges(
  labels: Uint8Array,
  changes: readonly Change[],
  written?: (start: number, end: number) => void,
): void {
  for (const { value, runs } of changes) {
    for (const [start, end] of decodeRuns(runs)) {
      labels.fill(value, start, end);
      written?.(start, end);
    }
  }
}

/** The runs of a text, each as its first voxel and the one after its last. */
export function* decodeRuns(runs: string): Generator<[number, number]> {
  const text = atob(runs);
  let at = 0;
  let place = 0;
  const next = (): number => {
    let number = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = text.charCodeAt(place++);
      number += (byte & 127) * factor;
      if (byte < 128) return number;
    }
  };
  while (place < text.length) {
    const start = at + next();
    at = start + next();
    yield [start, at];
  }
}

function push(bytes: number[], value: number): void {
  while (value >= 128) {
    bytes.push((value % 128) | 128);
    value = Math.floor(value / 128);
  }
  bytes.push(value);
}
