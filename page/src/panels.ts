// What stands around the image: labels, turns, queue, and what is said below.

import type { Casework } from "./casework";
import type { Case, Desk, Plane, Voxel } from "./types";
import type { Viewer } from "./viewer";
import { ANSWERS, turnName } from "./words";

/** Window presets of CT in Hounsfield units, as [low, high]. */
const CT: Record<string, [number, number]> = {
  "soft tissue": [-160, 240],
  liver: [-45, 105],
  lung: [-1350, 150],
  bone: [-450, 1050],
  brain: [0, 80],
};

const WORKING = "the model is working …";
const NO_CONNECTION = "no connection";

export function element<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  return document.getElementById(id) as Kind;
}

/** Asks a person; null if they say no, else what they wrote, or nothing where nothing is asked for. */
export function ask(text: string, yes: string, words = false): Promise<string | null> {
  const dialog = element<HTMLDialogElement>("ask");
  const input = element<HTMLInputElement>("ask-input");
  element("ask-text").textContent = text;
  element("ask-yes").textContent = yes;
  input.hidden = !words;
  input.required = words;
  input.value = "";
  dialog.showModal();
  return new Promise((answered) => {
    dialog.addEventListener("close", () => answered(dialog.returnValue === "yes" ? input.value : null), { once: true });
  });
}

interface Handlers {
  label: (code: number) => void;
  hide: (code: number) => void;
  remove: (number: number) => void;
  restore: (number: number) => void;
  choose: (name: string) => void;
  openCase: (key: string) => void;
}

export class Panels {
  constructor(
    desk: Desk,
    private readonly handlers: Handlers,
  ) {
    const background = { code: 0, name: "background", colour: [128, 128, 128] };
    const labels = desk.kind === "scribble" ? [...desk.labels, background] : desk.labels;
    element("labels").append(...labels.map((label, place) => this.labelRow(label, place)));
    this.label(labels[0].code);
    document.title = `${desk.annotation} – lesslabel`;
  }

  label(code: number): void {
    for (const row of element("labels").children) row.classList.toggle("on", (row as HTMLElement).dataset.code === String(code));
  }

  case(content: Case, desk: Desk, viewer: Viewer): void {
    const item = desk.items.find((each) => each.key === content.key);
    element("case-name").textContent = item?.uid ?? content.key;
    element("case-reason").textContent = content.reason;
    const channels = viewer.coloured ? ["colour", ...desk.channels] : desk.channels;
    element("channels").hidden = channels.length < 2;
    element("channels").replaceChildren(...channels.map((name) => new Option(name)));
    const [low, high] = viewer.window;
    const presets: Record<string, [number, number]> = { window: [low, high], ...(content.modality === "CT" ? CT : {}) };
    element("presets").replaceChildren(...Object.entries(presets).map(([name, range]) => new Option(name, range.join(","))));
  }

  turns(work: Casework, desk: Desk): void {
    element("turns").replaceChildren(
      ...[...work.turns].reverse().map((entry) => {
        const row = document.createElement("li");
        row.classList.toggle("back", !entry.stands);
        row.dataset.number = String(entry.number);
        const text = span("name", `${entry.number}  ${turnName(entry.turn, desk.labels)}`);
        const button = document.createElement("button");
        button.textContent = entry.stands ? "✕" : "↺";
        button.title = entry.stands ? "take back" : "give again";
        const act = entry.stands ? this.handlers.remove : this.handlers.restore;
        button.addEventListener("click", () => act(entry.number));
        row.append(text, button);
        if (entry === work.choice) row.append(this.choice(entry.other_answers));
        return row;
      }),
    );
    element<HTMLButtonElement>("undo").disabled = !work.canUndo;
    element<HTMLButtonElement>("redo").disabled = !work.canRedo;
    this.looked(work);
  }

  /** The queue, the case in front, and why others cannot be opened in this tab. */
  queue(desk: Desk, key: string | null, failed: ReadonlyMap<string, string>): void {
    element("queue").replaceChildren(
      ...desk.items.map((item) => {
        const row = document.createElement("li");
        row.classList.toggle("on", item.key === key);
        const reason = failed.get(item.key);
        const state = reason === undefined ? item.state : "failed";
        row.title = reason ?? (item.leased_by ? `${item.leased_by} has it open` : item.reason);
        row.append(span(`name ${state}`, item.uid), span(state, item.leased_by || state));
        row.addEventListener("click", () => this.handlers.openCase(item.key));
        return row;
      }),
    );
    const done = desk.items.filter((item) => item.state === "finished").length;
    document.body.dataset.finished = String(done);
    const left = countLeft(desk);
    const minutes = desk.median_s === null || !left ? "" : `, about ${Math.max(1, Math.round((left * desk.median_s) / 60))} min left`;
    element("progress").textContent = `${done} of ${desk.items.length} finished${minutes}`;
    this.learning(desk);
  }

  /** From how many cases the model that answers a new case was taught, and whether it learns now. */
  learning({ learning, model }: Desk): void {
    const row = element("learning");
    row.hidden = learning === null;
    if (!learning) return;
    const cases = learning.cases === 1 ? "1 case" : `${learning.cases} cases`;
    const taught = learning.cases ? `learned from ${cases}` : "not taught yet";
    row.textContent = `${model?.name ?? ""}: ${taught}${learning.at_work ? "; learning …" : ""}`;
  }

  position(content: Case, voxel: Voxel, planes: readonly Plane[]): void {
    const [z, y, x] = voxel;
    element("place").textContent = `x ${x}  y ${y}  z ${z}`;
    const plane = planes[0];
    const slider = element<HTMLInputElement>("slider");
    if (plane) {
      slider.max = String(content.shape[plane.axis] - 1);
      slider.value = String(plane.index);
      element("slice").textContent = `slice ${plane.index} of 0–${slider.max}`;
    }
  }

  looked(work: Casework): void {
    const asked = work.content.slices ?? Array.from({ length: work.content.shape[0] }, (_, index) => index);
    const seen = asked.filter((index) => work.seen.has(`0,${index}`)).length;
    const slices = work.content.slices ? `asked for: slice ${[...work.content.slices].join(", ")}; ` : "";
    element("slices").textContent = `${slices}${seen} of ${asked.length} slices looked at`;
  }

  clock(total_s: number, desk: Desk): void {
    const minutes = Math.floor(total_s / 60);
    const seconds = String(Math.floor(total_s % 60)).padStart(2, "0");
    element("clock").textContent = `${desk.author}  ${minutes}:${seconds}`;
  }

  /** Says what is wrong with the connection; with an empty text that it is there again. */
  connection(trouble: string, unsent: number): void {
    const waiting = unsent ? ` ${unsent === 1 ? "1 turn is" : `${unsent} turns are`} not saved yet,` : "";
    if (trouble) this.say(`${NO_CONNECTION}${trouble};${waiting} trying again …`, true);
    else this.unsay(NO_CONNECTION);
  }

  /** That the model works, unless it cannot be reached. */
  sayWorking(): void {
    const status = element("status");
    const refused = status.classList.contains("bad") || status.textContent?.startsWith(NO_CONNECTION);
    if (!refused) this.say(WORKING);
  }

  unsayWorking(): void {
    this.unsay(WORKING);
  }

  /** What there is to do when no case waits for this author. */
  sayDone(desk: Desk): void {
    const left = countLeft(desk);
    const kept = `What you finished is in the store as annotation ${desk.annotation}.`;
    if (left) this.say(`No case waits for you; others have ${left} open. ${kept}`);
    else this.say(`All cases of the queue are done. Thank you. ${kept} Ctrl-C in the terminal ends the server.`);
  }

  /** Takes back what was said, if it still stands there. */
  unsay(text: string): void {
    if (element("status").textContent?.startsWith(text)) this.say("");
  }

  say(text: string, bad = false): void {
    const status = element("status");
    if (status.textContent !== text) status.textContent = text;
    status.classList.toggle("bad", bad);
  }

  /** The answers that may be taken instead, one button each. */
  private choice(names: readonly string[]): HTMLElement {
    const buttons = names.map((name) => {
      const button = document.createElement("button");
      button.dataset.answer = button.textContent = name;
      button.title = ANSWERS[name] ?? "another answer of the model";
      button.addEventListener("click", () => this.handlers.choose(name));
      return button;
    });
    const row = span("choice", "instead: ");
    row.append(...buttons);
    return row;
  }

  private labelRow(label: { code: number; name: string; colour: number[] }, place: number): HTMLLIElement {
    const row = document.createElement("li");
    row.dataset.code = String(label.code);
    const swatch = span("swatch", "");
    swatch.style.background = `rgb(${label.colour.join(",")})`;
    const eye = document.createElement("button");
    eye.textContent = "●";
    eye.title = "show or hide";
    eye.addEventListener("click", (event) => {
      event.stopPropagation();
      eye.textContent = eye.textContent === "●" ? "○" : "●";
      this.handlers.hide(label.code);
    });
    row.append(swatch, span("name", label.name), place < 9 ? keyCap(`label-${label.code}`) : "", eye);
    row.addEventListener("click", () => this.handlers.label(label.code));
    return row;
  }
}

/** Cases that wait for someone. */
export function countLeft(desk: Desk): number {
  return desk.items.filter((item) => item.state === "new" || item.state === "begun").length;
}

function span(kind: string, text: string): HTMLSpanElement {
  const made = document.createElement("span");
  made.className = kind;
  made.textContent = text;
  return made;
}

/** Shows the key of an action once `Keys.label` was called. */
export function keyCap(action: string): HTMLElement {
  const made = document.createElement("kbd");
  made.dataset.action = action;
  return made;
}
