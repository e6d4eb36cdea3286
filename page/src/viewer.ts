// The adapter to NiiVue: the only file that knows it. Others speak of voxels (z, y, x) as the store counts them.

import { NVImage, SLICE_TYPE } from "@niivue/niivue";
import { Orientation } from "./orientation";
import { Picture } from "./picture";
import { SlicesOnly } from "./slices_only";
import type { Label, Plane, Voxel } from "./types";

export type Layout = "axial" | "coronal" | "sagittal" | "all";

const SLICES: Record<Layout, SLICE_TYPE> = {
  axial: SLICE_TYPE.AXIAL,
  coronal: SLICE_TYPE.CORONAL,
  sagittal: SLICE_TYPE.SAGITTAL,
  all: SLICE_TYPE.MULTIPLANAR,
};
/** Of NiiVue's slice types, which of the axes (right, anterior, superior) it looks along. */
const NORMAL = [2, 1, 0];
const BACKGROUND_STROKE = 255;
/** NIfTI's number for three bytes a voxel: red, green and blue. */
const COLOURS = 128;

export class Viewer {
  private readonly niivue = new SlicesOnly();
  private volume!: NVImage;
  /** What is shown, if it has colours. */
  private picture: Picture | null = null;
  private drawn = 0;
  private shape: Voxel = [1, 1, 1];
  private orientation!: Orientation;
  private changed: [number, number] | null = null;

  constructor(private readonly canvas: HTMLCanvasElement) {}

  async attach(): Promise<void> {
    await this.niivue.attachToCanvas(this.canvas, false);
  }

  /** Shows an image, NIfTI bytes; nothing is drawn on it yet. */
  async show(image: ArrayBuffer, shape: Voxel): Promise<void> {
    for (const volume of [...this.niivue.volumes]) this.niivue.removeVolume(volume);
    this.volume = await NVImage.loadFromUrl({ url: "case.nii", name: "case.nii", buffer: image } as never);
    this.picture = this.volume.hdr?.datatypeCode === COLOURS ? new Picture(this.volume.img as Uint8Array) : null;
    this.niivue.addVolume(this.volume);
    this.shape = shape;
    this.orientation = new Orientation(this.volume.permRAS as number[], shape);
    this.niivue.createEmptyDrawing();
    this.niivue.scene.pan2Dxyzmm = [0, 0, 0, 1] as never;
    this.moveTo(shape.map((size) => Math.floor(size / 2)) as Voxel);
  }

  /** The colours of the labels; hidden ones are left out. */
  colour(labels: readonly Label[], opacity: number, hidden: ReadonlySet<number>): void {
    const table = new Uint8ClampedArray(256 * 4);
    const alpha = Math.round(255 * opacity);
    for (const { code, colour } of labels) table.set([...colour, hidden.has(code) ? 0 : alpha], code * 4);
    table.set([128, 128, 128, hidden.has(0) ? 0 : alpha], BACKGROUND_STROKE * 4);
    this.niivue.colourDrawing(table);
  }

  /** Takes over the values of voxels start to end of a label map; seen after `refresh`. */
  draw(labels: Uint8Array, erased: number, start: number, end: number): void {
    const bitmap = this.niivue.drawBitmap as Uint8Array;
    for (let flat = start; flat < end; flat++) {
      const place = this.orientation.placeOf(flat);
      const value = labels[flat];
      bitmap[place] = value === erased ? 0 : value === 0 ? BACKGROUND_STROKE : value;
      const [low, high] = this.changed ?? [place, place];
      this.changed = [Math.min(low, place), Math.max(high, place)];
    }
  }

  /** Shows what was drawn: only the changed slices go to the graphics card. */
  refresh(): void {
    if (this.changed && this.niivue.drawTexture) {
      const [width, height] = this.orientation.sizes;
      const [first, last] = this.changed.map((place) => Math.floor(place / (width * height)));
      const part = (this.niivue.drawBitmap as Uint8Array).subarray(first * width * height, (last + 1) * width * height);
      const { gl } = this.niivue;
      gl.activeTexture(gl.TEXTURE7);
      gl.bindTexture(gl.TEXTURE_3D, this.niivue.drawTexture);
      gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
      gl.texSubImage3D(gl.TEXTURE_3D, 0, 0, 0, first, width, height, last - first + 1, gl.RED, gl.UNSIGNED_BYTE, part);
      this.changed = null;
    }
    this.niivue.drawScene();
  }

  lay(layout: Layout): void {
    this.niivue.setSliceType(SLICES[layout]);
  }

  /** The layout that shows the slices across an axis of the store. */
  layoutAcross(axis: number): Layout {
    const names: Layout[] = ["axial", "coronal", "sagittal"];
    return names[NORMAL.findIndex((anatomical) => this.orientation.axisOf(anatomical) === axis)];
  }

  /** What a place of the canvas, in CSS pixels, shows; null beside the image. */
  at(left: number, top: number): { voxel: Voxel; plane: Plane } | null {
    const ratio = this.ratio;
    const tile = this.niivue.tileIndex(left * ratio, top * ratio);
    if (tile < 0) return null;
    const frac = this.niivue.screenXY2TextureFrac(left * ratio, top * ratio, tile, true);
    if (frac[0] < 0) return null;
    const axis = this.orientation.axisOf(NORMAL[this.niivue.screenSlices[tile].axCorSag]);
    const voxel = this.orientation.fromShares(frac);
    const index = this.position[axis];
    voxel[axis] = index;
    return { voxel, plane: { axis, index } };
  }

  /** Where a voxel of a slice is shown, in CSS pixels; null if that slice is not on screen. */
  place(voxel: Voxel, axis: number): [number, number] | null {
    const shown = [...voxel] as Voxel;
    shown[axis] = this.position[axis];
    const kept = this.niivue.screenSlices;
    // of that tile alone: with several planes on screen NiiVue takes the nearest
    this.niivue.screenSlices = kept.filter((slice) => this.orientation.axisOf(NORMAL[slice.axCorSag]) === axis);
    const position = this.niivue.frac2canvasPos(this.orientation.toShares(shown) as never);
    this.niivue.screenSlices = kept;
    return position ? [position[0] / this.ratio, position[1] / this.ratio] : null;
  }

  /** The voxel in which the shown slices cross. */
  get position(): Voxel {
    const voxel = this.orientation.fromShares(this.niivue.scene.crosshairPos);
    return voxel.map((value, axis) => Math.min(Math.max(Math.round(value), 0), this.shape[axis] - 1)) as Voxel;
  }

  moveTo(voxel: Voxel): void {
    const inside = voxel.map((value, axis) => Math.min(Math.max(value, 0), this.shape[axis] - 1)) as Voxel;
    this.niivue.scene.crosshairPos = this.orientation.toShares(inside) as never;
    this.niivue.drawScene();
  }

  /** The slices on screen. */
  get planes(): Plane[] {
    const axes = new Set(this.niivue.screenSlices.filter((slice) => slice.axCorSag <= 2).map((slice) => slice.axCorSag));
    return [...axes].map((type) => this.orientation.axisOf(NORMAL[type])).map((axis) => ({ axis, index: this.position[axis] }));
  }

  get coloured(): boolean {
    return this.picture !== null;
  }

  get window(): [number, number] {
    if (this.picture) return this.picture.window;
    return [this.volume.cal_min ?? 0, this.volume.cal_max ?? 1];
  }

  setWindow(low: number, high: number): void {
    const above = Math.max(high, low + 1e-6);
    if (this.picture) {
      this.picture.window = [low, above];
      this.drawPicture();
    } else {
      this.volume.cal_min = low;
      this.volume.cal_max = above;
      this.niivue.updateGLVolume();
    }
  }

  /** Of what has colours the first is all of them. */
  showChannel(index: number): void {
    if (this.picture) {
      this.picture.channel = index ? index - 1 : null;
      this.drawPicture();
    } else this.niivue.setFrame4D(this.volume.id, index);
  }

  zoom(factor: number): void {
    const [right, anterior, superior, scale] = this.niivue.scene.pan2Dxyzmm;
    const zoomed = Math.min(Math.max(scale * factor, 0.5), 40);
    this.niivue.scene.pan2Dxyzmm = [right, anterior, superior, zoomed] as never;
    this.niivue.drawScene();
  }

  /** Moves what is shown so that the first voxel comes to lie where the second was. */
  pan(from: Voxel, to: Voxel): void {
    const [first, second] = [from, to].map((voxel) => this.niivue.frac2mm(this.orientation.toShares(voxel) as never));
    const pan = this.niivue.scene.pan2Dxyzmm;
    for (let axis = 0; axis < 3; axis++) pan[axis] += second[axis] - first[axis];
    this.niivue.drawScene();
  }

  /** Once a frame: a hand moves more often, and a picture may have millions of pixels. */
  private drawPicture(): void {
    if (this.drawn) return;
    this.drawn = requestAnimationFrame(() => {
      this.drawn = 0;
      this.picture?.draw();
      this.niivue.updateGLVolume();
    });
  }

  private get ratio(): number {
    return this.canvas.width / this.canvas.clientWidth;
  }
}
