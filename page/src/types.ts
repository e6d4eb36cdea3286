// What the server says and is told; `lesslabel/annotating/app.py` is the other side.

/** (z, y, x) in voxels as the store counts them; may lie between voxels. */
export type Voxel = [number, number, number];

/** One slice along an axis of (z, y, x). */
export interface Plane {
  axis: number;
  index: number;
}

export interface Change {
  value: number;
  runs: string;
}

export interface Label {
  code: number;
  name: string;
  colour: [number, number, number];
}

export interface Model {
  name: string;
  dimensions: number;
  prompts: string[];
  first: string;
}

/** What the model was taught since the work began; null where it does not learn. */
export interface Learning {
  at_work: boolean;
  /** From which the weights of a new case were learned. */
  cases: number;
}

export interface Item {
  key: string;
  uid: string;
  slices: number[] | null;
  reason: string;
  state: "new" | "begun" | "finished" | "skipped";
  leased_by: string;
}

export interface Desk {
  annotation: string;
  kind: "dense" | "scribble";
  author: string;
  /** Tells stores apart, and nothing else of them. */
  store: string;
  erased: number;
  labels: Label[];
  channels: string[];
  model: Model | null;
  learning: Learning | null;
  items: Item[];
  median_s: number | null;
}

/** Where the voxels of a prompt lie: in the object, outside it, or on its edge. */
export type Side = "foreground" | "background" | "boundary";

export type Prompt = { type: string; version: 1 } & Record<string, unknown>;

export type Turn =
  | { type: "paint"; tool: string; value: number; plane: Plane | null }
  | { type: "outline"; label: number; plane: Plane }
  | { type: "prompts"; label: number; plane: Plane | null; prompts: Prompt[] }
  | { type: "edit"; what: string; label: number; plane: Plane | null; value: number | string | null };

export interface TurnEntry {
  number: number;
  turn: Turn;
  stands: boolean;
  /** Names of the answers that may be taken in the place of the one that the model gave. */
  other_answers: string[];
}

export interface Case {
  key: string;
  shape: Voxel;
  spacing_mm: Voxel;
  channels: number;
  modality: string;
  slices: number[] | null;
  reason: string;
  status: string;
  revision: number;
  rest: number;
  labels: Change[];
  turns: TurnEntry[];
  seen: [number, number][];
  active_s: number;
}

export interface Answer extends Partial<Case> {
  number?: number;
  /** As it is shown. */
  turn?: Turn;
  revision: number;
  changes?: Change[];
  again?: boolean;
  /** Where a click would teach the model most. */
  suggested?: Voxel | null;
  other_answers?: string[];
  redrawn?: { number: number; other_answers: string[] }[];
}

/** How uncertain the model was on a slice, as three levels of blocks of voxels. */
export interface Levels {
  block: number;
  shape: [number, number];
  levels: string[];
}
