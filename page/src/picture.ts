// A picture in colour. NiiVue has no brightness for colours, so the bytes that it shows are made here.

const BRIGHTEST = 255;

export class Picture {
  /** The darkest and the brightest value that are told apart. */
  window: [number, number] = [0, BRIGHTEST];
  /** Of red, green and blue the one that is shown, in gray; null for the colours. */
  channel: number | null = null;
  private readonly pixels: Uint8Array;

  /** Of the bytes of an image, three for each pixel; they are overwritten. */
  constructor(private readonly shown: Uint8Array) {
    this.pixels = shown.slice();
  }

  draw(): void {
    const { shown, pixels, channel } = this;
    const [low, high] = this.window;
    const bright = Uint8ClampedArray.from({ length: BRIGHTEST + 1 }, (_, value) => ((value - low) / (high - low)) * BRIGHTEST);
    for (let first = 0; first < shown.length; first += 3) {
      for (let part = 0; part < 3; part++) shown[first + part] = bright[pixels[first + (channel ?? part)]];
    }
  }
}
