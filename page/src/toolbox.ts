// Which tools there are, and which of them a desk has use for.

import table from "./toolbox.json";
import type { Desk } from "./types";

export type ToolName = keyof typeof table;

export interface Tool {
  text: string;
  key: string;
  use: string;
  /** The kind of prompt that the model must take. */
  prompt?: string;
}

export const TOOLS: Record<ToolName, Tool> = table;
const SCRIBBLING: readonly ToolName[] = ["scribble", "eraser", "window", "pan"];

export function toolsOf({ kind, model }: Desk): ToolName[] {
  if (kind === "scribble") return [...SCRIBBLING];
  return (Object.keys(TOOLS) as ToolName[]).filter((tool) => {
    const { prompt } = TOOLS[tool];
    if (tool === "points") return Boolean(model?.first);
    return tool !== "scribble" && (!prompt || model?.prompts.includes(prompt));
  });
}
