// The page: puts the parts together.

import { Casework } from "./casework";
import { Clock } from "./clock";
import { CaseFlow } from "./flow";
import { Keys, type Action } from "./keys";
import { Marks } from "./marks";
import { Outbox } from "./outbox";
import { Panels, element, countLeft, keyCap } from "./panels";
import { Server } from "./server";
import { claimTab } from "./tab";
import { TOOLS, toolsOf, type ToolName } from "./toolbox";
import { Hand, type Settings } from "./tools";
import type { Case, Desk, Plane, Voxel } from "./types";
import { Uncertainty } from "./uncertainty";
import { Viewer, type Layout } from "./viewer";
import { EDITS } from "./words";

const LOOK_AFTER_MS = 300;
const WORKING_AFTER_MS = 300;
const WATCH_MS = 5000;
const UNANSWERED = "the model has not answered on this slice; give a prompt first";

class Page {
  private readonly clock = new Clock();
  private readonly canvas = element<HTMLCanvasElement>("image");
  private readonly marksCanvas = element<HTMLCanvasElement>("marks");
  private readonly viewer = new Viewer(this.canvas);
  private readonly marks = new Marks(this.marksCanvas, this.viewer);
  private readonly uncertainty: Uncertainty;
  private readonly settings: Settings;
  private readonly hand: Hand;
  private readonly panels: Panels;
  private readonly keys: Keys;
  private readonly flow: CaseFlow;
  private layout: Layout = "axial";
  private lookTimer = 0;
  /** Turns that the model has not answered yet. */
  private unanswered = 0;
  private watching = false;
  private opacity = 0.5;
  private hinting = false;
  private readonly hidden = new Set<number>();

  constructor(
    desk: Desk,
    private readonly server: Server,
  ) {
    this.uncertainty = new Uncertainty(server, this.viewer);
    this.settings = {
      tool: desk.kind === "scribble" ? "scribble" : desk.model ? "click" : "brush",
      label: desk.labels[0].code,
      radius: desk.kind === "scribble" ? 0 : 3,
      erased: desk.erased,
      dimensions: desk.model?.dimensions ?? null,
      points: desk.model?.first || "interior-margin-points",
    };
    this.hand = new Hand(this.viewer, this.settings, () => this.flow.open);
    this.panels = new Panels(desk, {
      label: (code) => this.chooseLabel(code),
      hide: (code) => this.toggleLabel(code),
      remove: (number) => void this.flow.open?.remove(number),
      restore: (number) => void this.flow.open?.restore(number),
      choose: (name) => void this.flow.open?.choose(name),
      openCase: (key) => void this.flow.choose(key),
    });
    this.flow = new CaseFlow(desk, server, this.panels, {
      show: (content, image) => this.show(content, image),
      tell: (work) => this.tell(work),
      clear: () => this.clear(),
      drawing: () => this.hand.drawing,
    });
    server.onConnection = (trouble) => this.panels.connection(trouble, server.outbox.size);
    this.keys = new Keys(this.actions(), element<HTMLDialogElement>("help"));
    this.buildTools();
    this.keys.label();
    this.listen();
  }

  async start(): Promise<void> {
    await this.viewer.attach();
    window.placeOfVoxel = (voxel, axis) => {
      const place = this.viewer.place(voxel, axis);
      const box = this.marksCanvas.getBoundingClientRect();
      return place && [place[0] + box.left, place[1] + box.top];
    };
    this.viewer.colour(this.desk.labels, this.opacity, this.hidden);
    await this.flow.start();
  }

  private get desk(): Desk {
    return this.flow.desk;
  }

  /** The case in front; it may be drawn on only while `flow.open` is there. */
  private get work(): Casework | null {
    return this.flow.work;
  }

  private async show(content: Case, image: ArrayBuffer): Promise<Casework> {
    await this.viewer.show(image, content.shape);
    this.viewer.lay(this.lay(content.shape));
    this.viewer.colour(this.desk.labels, this.opacity, this.hidden);
    return new Casework(
      content,
      this.server,
      this.viewer,
      this.clock,
      () => this.changed(),
      (error, work) => void this.flow.refused(error, work),
      (answer) => this.whileWorking(answer),
    );
  }

  private tell({ content }: Casework): void {
    if (content.slices?.length) this.goTo(0, content.slices[0]);
    this.panels.case(content, this.desk, this.viewer);
    this.changed();
    this.moved();
  }

  private clear(): void {
    window.clearTimeout(this.lookTimer);
    this.hand.forget();
    this.uncertainty.forget();
  }

  /** Says that the model works if its answer takes longer than a moment. */
  private async whileWorking(answer: Promise<void>): Promise<void> {
    this.unanswered++;
    const timer = window.setTimeout(() => this.panels.sayWorking(), WORKING_AFTER_MS);
    try {
      await answer;
    } finally {
      window.clearTimeout(timer);
      this.unanswered--;
      if (!this.unanswered) this.panels.unsayWorking();
    }
  }

  private changed(): void {
    if (!this.work) return;
    this.panels.turns(this.work, this.desk);
    this.tellBegun(this.work);
    this.redraw();
    void this.askUncertainty();
  }

  /** The queue tells that a case was begun from its first turn on, not from when it is asked for again. */
  private tellBegun({ content, turns }: Casework): void {
    const item = this.desk.items.find((each) => each.key === content.key);
    if (item?.state !== "new" || !turns.length) return;
    item.state = "begun";
    this.flow.tellQueue();
  }

  private redraw(): void {
    if (!this.work) return;
    const suggested = this.hinting ? this.work.suggested : null;
    this.marks.draw(this.work.turns, suggested, this.hand.sketch, (context) => {
      this.uncertainty.draw(context);
      this.hand.outline.draw(context);
    });
  }

  /** Other slices are on screen; what stays there for a moment was looked at. */
  private moved(): void {
    this.redraw();
    if (!this.work) return;
    this.panels.position(this.work.content, this.viewer.position, this.viewer.planes);
    window.clearTimeout(this.lookTimer);
    this.lookTimer = window.setTimeout(() => {
      this.work?.look(this.viewer.planes);
      if (this.work) this.panels.looked(this.work);
      void this.askUncertainty();
    }, LOOK_AFTER_MS);
  }

  private goTo(axis: number, index: number): void {
    const voxel = this.viewer.position;
    voxel[axis] = index;
    this.viewer.moveTo(voxel);
    this.moved();
  }

  private step(by: number): void {
    const plane = this.viewer.planes[0];
    if (plane && this.work) this.goTo(plane.axis, plane.index + by);
  }

  /** The queue's next slice of this case, in its order. */
  private nextAsked(): void {
    const slices = this.work?.content.slices;
    if (!slices?.length) return;
    const place = slices.indexOf(this.viewer.position[0]);
    this.goTo(0, slices[(place + 1) % slices.length]);
  }

  /** The planes that were chosen; of an image of one slice, that in which it lies. */
  private lay(shape: readonly number[]): Layout {
    return shape[0] > 1 ? this.layout : this.viewer.layoutAcross(0);
  }

  private setLayout(layout: Layout): void {
    this.layout = layout;
    this.viewer.lay(layout);
    for (const button of document.querySelectorAll<HTMLButtonElement>("#layouts button")) {
      button.classList.toggle("on", button.dataset.layout === layout);
    }
    this.moved();
  }

  private chooseTool(tool: ToolName): void {
    this.settings.tool = tool;
    this.hand.forget();
    for (const button of document.querySelectorAll<HTMLButtonElement>("#tools button")) {
      button.classList.toggle("on", button.dataset.tool === tool);
    }
    this.redraw();
  }

  private chooseLabel(code: number): void {
    this.settings.label = code;
    this.panels.label(code);
    void this.askUncertainty();
  }

  private toggleLabel(code: number): void {
    if (!this.hidden.delete(code)) this.hidden.add(code);
    this.viewer.colour(this.desk.labels, this.opacity, this.hidden);
  }

  private actions(): Action[] {
    const { kind, labels } = this.desk;
    const tools = toolsOf(this.desk).map((tool) => ({
      name: tool,
      text: `tool: ${TOOLS[tool].text} (${TOOLS[tool].use})`,
      key: TOOLS[tool].key,
      run: () => this.chooseTool(tool),
    }));
    const codes = [...labels.map((label) => label.code), ...(kind === "scribble" ? [0] : [])];
    const choices = codes.slice(0, 9).map((code, place) => ({
      name: `label-${code}`,
      text: `label: ${labels.find((label) => label.code === code)?.name ?? "background"}`,
      key: String(place + 1),
      run: () => this.chooseLabel(code),
    }));
    return [
      ...tools,
      ...choices,
      { name: "undo", text: "undo", key: "Ctrl+z", run: () => void this.flow.open?.undo() },
      { name: "redo", text: "redo", key: "Ctrl+y", run: () => void this.flow.open?.redo() },
      { name: "complete", text: "end an outline or points", key: "Enter", run: () => void this.complete() },
      { name: "forget", text: "forget an outline or points", key: "Escape", run: () => this.forget() },
      ...(kind === "scribble" ? [] : this.edits()),
      { name: "up", text: "next slice", key: "ArrowUp", run: () => this.step(1) },
      { name: "down", text: "previous slice", key: "ArrowDown", run: () => this.step(-1) },
      { name: "asked", text: "next slice that is asked for", key: "n", run: () => this.nextAsked(), once: true },
      { name: "smaller", text: "smaller brush", key: "[", run: () => this.resize(-0.5) },
      { name: "larger", text: "larger brush", key: "]", run: () => this.resize(0.5) },
      { name: "finish", text: "finish and next", key: "f", run: () => void this.flow.finish(), once: true },
      { name: "help", text: "this list", key: "?", run: () => this.keys.show() },
    ];
  }

  /** What is done to the chosen label, in a slice or as a whole. */
  private edits(): Action[] {
    const edit = (what: string, plane: Plane | null) => void this.flow.open?.edit(what, this.settings.label, plane);
    const within = () => (this.work?.content.slices ? "of the slice on screen" : "of all slices");
    return [
      {
        name: "largest",
        get text() {
          return `${EDITS["largest-component"]} ${within()}`;
        },
        key: "l",
        run: () => edit("largest-component", this.keptWithin()),
      },
      { name: "fill", text: EDITS["fill-between"], key: "m", run: () => edit("fill-between", this.viewer.planes[0]) },
      { name: "choose", text: "take another answer of the model, if it gives several", key: "t", run: () => this.choose() },
      { name: "uncertainty", text: "show how uncertain the model is", key: "u", run: () => void this.toggleUncertainty() },
      { name: "hint", text: "show where a click would help", key: "h", run: () => this.hint() },
    ];
  }

  /** Of a queue of slices the one on screen, so that the others stay as they are; else the volume. */
  private keptWithin(): Plane | null {
    if (!this.work?.content.slices) return null;
    const { planes } = this.viewer;
    return planes.find(({ axis }) => axis === 0) ?? planes[0];
  }

  private async toggleUncertainty(): Promise<void> {
    this.uncertainty.on = !this.uncertainty.on;
    const answered = await this.askUncertainty();
    if (this.uncertainty.on && !answered) this.panels.say(UNANSWERED);
  }

  /** Fetches the map of the slice on screen, if it is wanted. */
  private async askUncertainty(): Promise<boolean> {
    const { work } = this;
    let answered = false;
    try {
      if (work && this.uncertainty.on) answered = await this.uncertainty.ask(work.content.key, this.settings.label);
      if (answered) this.panels.unsay(UNANSWERED);
    } catch (error) {
      this.panels.say(error instanceof Error ? error.message : String(error), true);
    }
    this.redraw();
    return answered;
  }

  /** Shows where a click would teach the model most, and goes there. */
  private hint(): void {
    this.hinting = !this.hinting;
    const voxel = this.work?.suggested;
    if (this.hinting && voxel) this.viewer.moveTo(voxel);
    if (this.hinting && !voxel) this.panels.say("the model has not answered yet; give a prompt first");
    this.moved();
  }

  /** Of the model's last answer on the slice, what is taken as the label. */
  private threshold(value: number): void {
    const plane = this.settings.dimensions === 2 ? this.viewer.planes[0] : null;
    void this.flow.open?.edit("threshold", this.settings.label, plane, value);
  }

  private choose(): void {
    const name = this.work?.choice?.other_answers[0];
    if (name !== undefined) void this.flow.open?.choose(name);
  }

  private async complete(): Promise<void> {
    await this.hand.complete();
    this.redraw();
  }

  private forget(): void {
    this.hand.forget();
    this.redraw();
  }

  private resize(by: number): void {
    const input = element<HTMLInputElement>("radius");
    input.valueAsNumber += by;
    this.settings.radius = input.valueAsNumber;
  }

  private buildTools(): void {
    for (const tool of toolsOf(this.desk)) {
      const button = document.createElement("button");
      button.dataset.tool = tool;
      button.textContent = TOOLS[tool].text;
      button.title = TOOLS[tool].use;
      button.append(keyCap(tool));
      button.addEventListener("click", () => this.chooseTool(tool));
      element("tools").append(button);
    }
    for (const layout of ["axial", "coronal", "sagittal", "all"] as const) {
      const button = document.createElement("button");
      button.dataset.layout = layout;
      button.textContent = layout;
      button.addEventListener("click", () => this.setLayout(layout));
      element("layouts").append(button);
    }
    this.chooseTool(this.settings.tool);
    element<HTMLInputElement>("radius").valueAsNumber = this.settings.radius;
  }

  private listen(): void {
    const canvas = this.marksCanvas;
    const place = (event: PointerEvent | WheelEvent): [number, number] => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.hand.down(...place(event), event.button === 2 || event.ctrlKey);
      this.redraw();
    });
    canvas.addEventListener("pointermove", (event) => {
      for (const each of event.getCoalescedEvents()) this.hand.move(...place(each));
      if (event.buttons) this.redraw();
    });
    canvas.addEventListener("pointerup", () => void this.hand.up().then(() => this.redraw()));
    canvas.addEventListener("dblclick", () => void this.complete());
    canvas.addEventListener("wheel", (event) => this.wheel(event, place(event)), { passive: false });
    element("slider").addEventListener("input", (event) => {
      const plane = this.viewer.planes[0];
      if (plane) this.goTo(plane.axis, (event.target as HTMLInputElement).valueAsNumber);
    });
    element("opacity").addEventListener("input", (event) => {
      this.opacity = (event.target as HTMLInputElement).valueAsNumber;
      this.viewer.colour(this.desk.labels, this.opacity, this.hidden);
    });
    element("radius").addEventListener("input", (event) => {
      this.settings.radius = (event.target as HTMLInputElement).valueAsNumber;
    });
    element("threshold-row").hidden = !this.desk.model || this.desk.kind === "scribble";
    element("threshold").addEventListener("change", (event) => {
      this.threshold((event.target as HTMLInputElement).valueAsNumber);
    });
    element("presets").addEventListener("change", (event) => {
      const [low, high] = (event.target as HTMLSelectElement).value.split(",").map(Number);
      this.viewer.setWindow(low, high);
    });
    element("channels").addEventListener("change", (event) => {
      this.viewer.showChannel((event.target as HTMLSelectElement).selectedIndex);
    });
    element("undo").addEventListener("click", () => void this.flow.open?.undo());
    element("redo").addEventListener("click", () => void this.flow.open?.redo());
    element("finish").addEventListener("click", () => void this.flow.finish());
    element("skip").addEventListener("click", () => void this.flow.skip());
    element("help-button").addEventListener("click", () => this.keys.show());
    element("help").querySelector("button[value=close]")?.addEventListener("click", () => {
      element<HTMLDialogElement>("help").close();
    });
    window.addEventListener("resize", () => this.redraw());
    window.addEventListener("beforeunload", (event) => {
      if (this.flow.waits) event.preventDefault();
    });
    window.addEventListener("pagehide", () => this.work?.leave());
    window.setInterval(() => this.panels.clock(this.clock.total_s, this.desk), 1000);
    window.setInterval(() => void this.watch(), WATCH_MS);
  }

  private async watch(): Promise<void> {
    if (this.watching) return;
    this.watching = true;
    try {
      await this.watchLearning();
      await this.watchServer();
    } catch {
      // the connection has a line of its own
    } finally {
      this.watching = false;
    }
  }

  /** Asks again while the model learns, so that the line of it does not go stale. */
  private async watchLearning(): Promise<void> {
    if (!this.desk.learning?.at_work) return;
    this.flow.desk = await this.server.desk();
    this.panels.learning(this.desk);
  }

  /** Notices a server that ended when all is done; an open case speaks to it anyway. */
  private async watchServer(): Promise<void> {
    if (!this.flow.isDone) return;
    if (countLeft(this.desk)) this.flow.desk = await this.server.desk();
    else await this.server.knock();
    if (this.flow.isDone) this.flow.sayDone();
  }

  private wheel(event: WheelEvent, [left, top]: [number, number]): void {
    event.preventDefault();
    if (!this.work) return;
    if (event.ctrlKey) {
      this.viewer.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15);
      this.redraw();
      return;
    }
    const there = this.viewer.at(left, top);
    const plane = there?.plane ?? this.viewer.planes[0];
    if (plane) this.goTo(plane.axis, plane.index + (event.deltaY < 0 ? 1 : -1));
  }
}

declare global {
  interface Window {
    /** Where a robot finds a voxel (z, y, x) of a slice on screen, in CSS pixels of the window; null if it is not. */
    placeOfVoxel?: (voxel: Voxel, axis: number) => [number, number] | null;
  }
}

async function begin(): Promise<void> {
  history.replaceState(null, "", "/"); // the token leaves the address bar
  try {
    const server = new Server(await claimTab());
    const desk = await server.desk();
    server.outbox = new Outbox(`${desk.annotation} by ${desk.author} in ${desk.store}`);
    await new Page(desk, server).start();
  } catch (error) {
    element("status").textContent = error instanceof Error ? error.message : String(error);
    document.body.dataset.state = "failed";
  }
}

void begin();
