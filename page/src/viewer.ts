// The adapter to NiiVue: the only file that knows it. Others speak of voxels (z, y, x) as the store counts them.

import { NVImage, Niivue, SLICE_TYPE } from "@niivue/niivue";
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

export class Viewer {
  private readonly niivue: Niivue;
  private volume!: NVImage;
  private shape: Voxel = [1, 1, 1];
  private steps: Voxel = [1, 1, 1];
  private offset = 0;
  private changed: [number, number] | null = null;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.niivue = new Niivue({
      backColor: [0, 0, 0, 1],
      show3Dcrosshair: false,
      crosshairWidth: 0,
      isOrientCube: false,
      isColorbar: false,
      dragAndDropEnabled: false,
      interactive: false,
      multiplanarShowRender: 0,
      isRadiologicalConvention: true,
      isNearestInterpolation: true,
      sagittalNoseLeft: true,
      loadingText: "",
    } as never);
    this.niivue.opts.multiplanarForceRender = false;
  }

  async attach(): Promise<void> {
    await this.niivue.attachToCanvas(this.canvas, false);
  }

  /** Shows an image, NIfTI bytes; nothing is drawn on it yet. */
  async show(image: ArrayBuffer, shape: Voxel): Promise<void> {
    for (const volume of [...this.niivue.volumes]) this.niivue.removeVolume(volume);
    this.volume = await NVImage.loadFromUrl({ url: "case.nii", name: "case.nii", buffer: image } as never);
    this.niivue.addVolume(this.volume);
    this.shape = shape;
    this.measure();
    this.niivue.createEmptyDrawing();
    this.niivue.scene.pan2Dxyzmm = [0, 0, 0, 1] as never;
    this.moveTo(shape.map((size) => Math.floor(size / 2)) as Voxel);
  }

  /** The colours of the labels; hidden ones are left out. */
  colour(labels: readonly Label[], opacity: number, hidden: ReadonlySet<number>): void {
    const table = new Uint8ClampedArray(256 * 4);
    for (const { code, colour } of labels) table.set([...colour, hidden.has(code) ? 0 : 255], code * 4);
    table.set([128, 128, 128, hidden.has(0) ? 0 : 255], BACKGROUND_STROKE * 4);
    this.niivue.drawLut = { ...this.niivue.drawLut, lut: table };
    this.niivue.drawOpacity = opacity;
    if (this.volume) this.niivue.updateGLVolume();
  }

  /** Takes over the values of voxels start to end of a label map; seen after `refresh`. */
  draw(labels: Uint8Array, erased: number, start: number, end: number): void {
    const bitmap = this.niivue.drawBitmap as Uint8Array;
    const [, rows, columns] = this.shape;
    for (let flat = start; flat < end; flat++) {
      const x = flat % columns;
      const y = Math.floor(flat / columns) % rows;
      const z = Math.floor(flat / (columns * rows));
      const place = this.offset + z * this.steps[0] + y * this.steps[1] + x * this.steps[2];
      const value = labels[flat];
      bitmap[place] = value === erased ? 0 : value === 0 ? BACKGROUND_STROKE : value;
      const [low, high] = this.changed ?? [place, place];
      this.changed = [Math.min(low, place), Math.max(high, place)];
    }
  }

  /** Shows what was drawn: only the changed slices go to the graphics card. */
  refresh(): void {
    if (this.changed && this.niivue.drawTexture) {
      const [, width, height] = this.volume.dimsRAS as number[];
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
    return names[NORMAL.findIndex((anatomical) => this.axisOf(anatomical) === axis)];
  }

  /** What a place of the canvas, in CSS pixels, shows; null beside the image. */
  at(left: number, top: number): { voxel: Voxel; plane: Plane } | null {
    const ratio = this.ratio;
    const tile = this.niivue.tileIndex(left * ratio, top * ratio);
    if (tile < 0) return null;
    const frac = this.niivue.screenXY2TextureFrac(left * ratio, top * ratio, tile, true);
    if (frac[0] < 0) return null;
    const axis = this.axisOf(NORMAL[this.niivue.screenSlices[tile].axCorSag]);
    const voxel = this.fromFrac(frac);
    const index = this.position[axis];
    voxel[axis] = index;
    return { voxel, plane: { axis, index } };
  }

  /** Where a voxel of a slice is shown, in CSS pixels; null if that slice is not on screen. */
  place(voxel: Voxel, axis: number): [number, number] | null {
    const shown = [...voxel] as Voxel;
    shown[axis] = this.position[axis];
    const seen = this.niivue.screenSlices.findIndex((slice) => this.axisOf(NORMAL[slice.axCorSag]) === axis);
    if (seen < 0) return null;
    const slice = this.niivue.screenSlices[seen];
    // of the tile alone: with several planes on screen the nearest tile may be another
    const kept = this.niivue.screenSlices;
    this.niivue.screenSlices = [slice];
    const position = this.niivue.frac2canvasPos(this.toFrac(shown) as never);
    this.niivue.screenSlices = kept;
    return position ? [position[0] / this.ratio, position[1] / this.ratio] : null;
  }

  /** The voxel in which the shown slices cross. */
  get position(): Voxel {
    const voxel = this.fromFrac(this.niivue.scene.crosshairPos);
    return voxel.map((value, axis) => Math.min(Math.max(Math.round(value), 0), this.shape[axis] - 1)) as Voxel;
  }

  moveTo(voxel: Voxel): void {
    const inside = voxel.map((value, axis) => Math.min(Math.max(value, 0), this.shape[axis] - 1)) as Voxel;
    this.niivue.scene.crosshairPos = this.toFrac(inside) as never;
    this.niivue.drawScene();
  }

  /** The slices on screen. */
  get planes(): Plane[] {
    const axes = new Set(this.niivue.screenSlices.filter((slice) => slice.axCorSag <= 2).map((slice) => slice.axCorSag));
    return [...axes].map((type) => this.axisOf(NORMAL[type])).map((axis) => ({ axis, index: this.position[axis] }));
  }

  get window(): [number, number] {
    return [this.volume.cal_min ?? 0, this.volume.cal_max ?? 1];
  }

  setWindow(low: number, high: number): void {
    this.volume.cal_min = low;
    this.volume.cal_max = Math.max(high, low + 1e-6);
    this.niivue.updateGLVolume();
  }

  showChannel(index: number): void {
    this.niivue.setFrame4D(this.volume.id, index);
  }

  zoom(factor: number): void {
    const [right, anterior, superior, scale] = this.niivue.scene.pan2Dxyzmm;
    const zoomed = Math.min(Math.max(scale * factor, 0.5), 40);
    this.niivue.scene.pan2Dxyzmm = [right, anterior, superior, zoomed] as never;
    this.niivue.drawScene();
  }

  /** Moves what is shown so that the first voxel comes to lie where the second was. */
  pan(from: Voxel, to: Voxel): void {
    const [first, second] = [from, to].map((voxel) => this.niivue.frac2mm(this.toFrac(voxel) as never));
    const pan = this.niivue.scene.pan2Dxyzmm;
    for (let axis = 0; axis < 3; axis++) pan[axis] += second[axis] - first[axis];
    this.niivue.drawScene();
  }

  private get ratio(): number {
    return this.canvas.width / this.canvas.clientWidth;
  }

  /** How flat indices of NiiVue's drawing, which it turns to right, anterior, superior, follow from the store's. */
  private measure(): void {
    const dims = (this.volume.dimsRAS as number[]).slice(1, 4);
    const strides = [1, dims[0], dims[0] * dims[1]];
    this.offset = 0;
    (this.volume.permRAS as number[]).forEach((from, to) => {
      const axis = 3 - Math.abs(from); // NIfTI counts (x, y, z), the store (z, y, x)
      this.steps[axis] = from < 0 ? -strides[to] : strides[to];
      if (from < 0) this.offset += strides[to] * (dims[to] - 1);
    });
  }

  /** The store's axis that runs along right (0), anterior (1) or superior (2). */
  private axisOf(anatomical: number): number {
    return 3 - Math.abs((this.volume.permRAS as number[])[anatomical]);
  }

  private fromFrac(frac: ArrayLike<number>): Voxel {
    const voxel: Voxel = [0, 0, 0];
    (this.volume.permRAS as number[]).forEach((from, to) => {
      const axis = 3 - Math.abs(from);
      const share = from < 0 ? 1 - frac[to] : frac[to];
      voxel[axis] = share * this.shape[axis] - 0.5;
    });
    return voxel;
  }

  private toFrac(voxel: Voxel): [number, number, number] {
    return (this.volume.permRAS as number[]).map((from) => {
      const axis = 3 - Math.abs(from);
      const share = (voxel[axis] + 0.5) / this.shape[axis];
      return from < 0 ? 1 - share : share;
    }) as [number, number, number];
  }
}
