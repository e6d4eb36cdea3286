// Counts the seconds of work: from one movement of the hand to the next, pauses over a minute cut off.

const IDLE_MS = 60_000;

export class Clock {
  /** Seconds of work on the case so far, those before included. */
  total_s = 0;
  private unsent_s = 0;
  private last = performance.now();
  private running = false;

  constructor() {
    for (const event of ["pointerdown", "pointermove", "wheel", "keydown"]) {
      document.addEventListener(event, () => this.tick(), { passive: true, capture: true });
    }
  }

  /** Begins with a case. */
  reset(total_s: number): void {
    this.total_s = total_s;
    this.unsent_s = 0;
    this.last = performance.now();
    this.running = true;
  }

  /** Stands still until the next case. */
  stop(): void {
    this.running = false;
  }

  /** The seconds since they were last asked for. */
  take(): number {
    const taken = this.unsent_s;
    this.unsent_s = 0;
    return Math.round(taken * 100) / 100;
  }

  /** Takes back seconds that were told in vain. */
  give(seconds: number): void {
    this.unsent_s += seconds;
  }

  /** Whether somebody worked since the seconds were last asked for. */
  get worked(): boolean {
    return this.unsent_s > 0;
  }

  private tick(): void {
    const now = performance.now();
    const passed = now - this.last;
    this.last = now;
    if (!this.running || passed > IDLE_MS || document.hidden) return;
    this.unsent_s += passed / 1000;
    this.total_s += passed / 1000;
  }
}
