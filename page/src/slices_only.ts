// NiiVue as this page uses it: slices alone. Its renderings ask for what slices do not: left out, an image opens far sooner.

import { Niivue } from "@niivue/niivue";

/** The texture units of the gradients, which only a rendering reads: on large images most of the work, and of the memory. */
const GRADIENTS = new Set([33990, 33992]);

export class SlicesOnly extends Niivue {
  constructor() {
    super({
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
    this.drawOpacity = 1; // the colours of labels say how opaque they are
  }

  /** Gradients of one voxel a slice. */
  override rgbaTex(texture: WebGLTexture | null, unit: number, dims: number[], zeros = false): WebGLTexture | null {
    return super.rgbaTex(texture, unit, GRADIENTS.has(unit) ? [dims[0], 1, 1, dims[3]] : dims, zeros);
  }

  /** The colours of labels, four bytes for each of 256 codes; the image is not touched. */
  colourDrawing(table: Uint8ClampedArray): void {
    this.drawLut = { ...this.drawLut, lut: table as never };
    this.refreshColormaps();
    this.drawScene();
  }
}
