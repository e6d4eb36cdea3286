// What turns are called, in the list of turns and in that of the keys.

import type { Label, Plane, Prompt, Turn } from "./types";

/** What is done to a label, by its name on the wire. */
export const EDITS: Record<string, string> = {
  "largest-component": "keep the largest part",
  "fill-between": "fill between marked slices",
  threshold: "threshold",
};
/** What the answers of the methods of the package mean, by their names. */
export const ANSWERS: Record<string, string> = { local: "this branch", global: "all like it" };
/** Of what paints and of prompts, those whose tool has another name than on the wire. */
const PAINTING: Record<string, string> = { polygon: "outline" };
const PROMPTS: Record<string, string> = { scribble: "stroke", "enclosing-scribble": "lasso" };
const SIDES: Record<string, string> = { background: "background ", boundary: "edge " };

/** A turn in words, such as `background click: left, slice 7`. */
export function turnName(turn: Turn, labels: readonly Label[]): string {
  const code = turn.type === "paint" ? turn.value : turn.label;
  const label = labels.find((each) => each.code === code)?.name ?? "background";
  const erased = turn.type === "paint" && turn.tool === "eraser";
  return `${whatOf(turn)}${erased ? "" : `: ${label}`}${where(turn)}`;
}

function whatOf(turn: Turn): string {
  if (turn.type === "paint") return PAINTING[turn.tool] ?? turn.tool;
  if (turn.type === "outline") return "vertices";
  if (turn.type === "edit") return turn.what === "choose" ? `answer ${turn.value}` : (EDITS[turn.what] ?? turn.what);
  return turn.prompts.map(promptName).join(", ");
}

function promptName({ type, side }: Prompt): string {
  return `${SIDES[String(side)] ?? ""}${PROMPTS[type] ?? type.replaceAll("-", " ")}`;
}

function where(turn: Turn): string {
  if (turn.type === "edit" && turn.what === "fill-between") return "";
  if (turn.type === "edit" && turn.what === "largest-component" && !turn.plane) return ", all slices";
  return turn.plane ? `, ${sliceName(turn.plane)}` : "";
}

/** Slices across the first axis are those of the queue, and need no letter. */
function sliceName({ axis, index }: Plane): string {
  return `slice ${["", "y ", "x "][axis]}${index}`;
}
