// Builds the page into the package's data: one script, one style sheet, one HTML file.
import { copyFile, mkdir, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import path from "node:path";
import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.resolve(here, "../lesslabel/annotate/static");
const LARGEST_SCRIPT_BYTES = 3_000_000;

await mkdir(out, { recursive: true });
await build({
  entryPoints: [path.join(here, "src/page.ts")],
  outfile: path.join(out, "page.js"),
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "eof",
  logLevel: "warning",
});
for (const name of ["index.html", "page.css"]) await copyFile(path.join(here, "src", name), path.join(out, name));
const { size } = await stat(path.join(out, "page.js"));
console.log(`page.js: ${size} bytes`);
if (size > LARGEST_SCRIPT_BYTES) throw new Error(`page.js: larger than ${LARGEST_SCRIPT_BYTES} bytes`);
