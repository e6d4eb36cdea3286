// Drives the page in headless Chromium: reads commands as JSON, one a line, and answers each with a line.
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];
const TIMEOUT_MS = 30_000;

const browser = await chromium.launch({ executablePath: process.argv[2], args: FLAGS });
const context = await browser.newContext({ viewport: { width: 1000, height: 640 } });
const pages = new Map();
const problems = [];
const requests = new Set();
const asked = [];

async function pageOf(tab) {
  if (!pages.has(tab)) {
    const page = await context.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    page.on("dialog", (dialog) => {
      asked.push(dialog.type());
      void dialog.accept();
    });
    page.on("request", (request) => requests.add(new URL(request.url()).origin));
    pages.set(tab, page);
  }
  return pages.get(tab);
}

const commands = {
  goto: (page, { url }) => page.goto(url).then(() => null),
  state: (page, { is }) => page.waitForSelector(`body[data-state=${is}]`).then(() => page.getAttribute("body", "data-case")),
  place: (page, { voxel, axis }) => page.evaluate(([at, along]) => window.placeOfVoxel(at, along), [voxel, axis]),
  click: (page, { at, button }) => page.mouse.click(at[0], at[1], { button }).then(() => null),
  async drag(page, { line }) {
    await page.mouse.move(...line[0]);
    await page.mouse.down();
    for (const at of line.slice(1)) await page.mouse.move(...at);
    await page.mouse.up();
    return null;
  },
  press: (page, { key }) => page.keyboard.press(key).then(() => null),
  push: (page, { selector }) => page.click(selector).then(() => null),
  fill: (page, { selector, text }) => page.fill(selector, text).then(() => null),
  choose: (page, { selector, name }) => page.selectOption(selector, name).then(() => null),
  text: (page, { selector }) => page.textContent(selector),
  count: (page, { selector }) => page.locator(selector).count(),
  until: (page, { selector, count }) =>
    page.waitForFunction(([which, wanted]) => document.querySelectorAll(which).length === wanted, [selector, count]).then(() => null),
  screenshot: (page, { path }) => page.screenshot({ path }).then(() => null),
  evaluate: (page, { script }) => page.evaluate(script),
  async close(page, { tab }) {
    await page.close({ runBeforeUnload: false });
    pages.delete(tab);
    return null;
  },
  async heard() {
    const origins = [...requests];
    requests.clear();
    return { problems: problems.splice(0), asked: asked.splice(0), origins };
  },
};

console.log(JSON.stringify({ answer: "ready" }));
for await (const line of createInterface({ input: process.stdin })) {
  const { do: what, tab = "first", ...rest } = JSON.parse(line);
  try {
    const answer = await commands[what](await pageOf(tab), { tab, ...rest });
    console.log(JSON.stringify({ answer }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
await browser.close();
