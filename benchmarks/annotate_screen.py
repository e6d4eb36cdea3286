"""What a person waits for in the page until it is on the screen: from the mouse to the frame that shows the answer.

    python -P benchmarks/annotate_screen.py --model general --turns 200

The CT of `benchmarks/annotate.py`, in Chromium (`make page` and Debian's chromium), which draws without a graphics card
here, so that a person's own browser is rather faster. Rows: a case chosen in the queue, a click that the model answers,
a stroke of the brush; the median and the 95th percentile.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tests" / "annotate"), str(ROOT / "benchmarks")]  # last, for benchmarks/click.py is no click

from annotate import SHAPE, OneCT  # noqa: E402
from browser import Browser, Served, require_browser  # noqa: E402

from lesslabel.data.store.prepare import prepare  # noqa: E402

WATCH = """(() => {
  window.shown = new Promise((done) => {
    addEventListener("pointerdown", () => { window.began = performance.now(); }, { capture: true, once: true });
    const ends = () => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - window.began)));
    const before = %s;
    const watcher = new MutationObserver(() => { if (%s) { watcher.disconnect(); ends(); } });
    watcher.observe(document.body, { childList: true, subtree: true, attributes: true });
  });
  return null;
})()"""
TURNS = "document.querySelectorAll('#turns li').length"
CASE = "document.body.dataset.case"


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="general")
    parser.add_argument("--turns", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = prepare(OneCT(), Path(folder) / "store")[0]
        with (
            Served(store.path, "--model", options.model) as served,
            Browser(require_browser()) as browser,
        ):
            browser.open(served.links["ann"])
            print("| until it is on the screen | median, ms | 95th percentile, ms |\n| --- | --- | --- |")
            print(row("a case of the queue", list(choices(browser))))
            print(row(f"click, `{options.model}`", list(clicks(browser, options.turns))), flush=True)
            print(row("brush", list(strokes(browser, options.turns))))


def row(name: str, shown_ms: Sequence[float]) -> str:
    return f"| {name} | {np.median(shown_ms):.0f} | {np.percentile(shown_ms, 95):.0f} |"


def choices(browser: Browser) -> Iterator[float]:
    for place in (2, 3, 4, 2, 3):
        there = f"{CASE} !== before && document.body.dataset.state === 'ready'"
        browser.do("evaluate", script=WATCH % (CASE, there))
        browser.do("push", selector=f"#queue li:nth-child({place})")
        yield float(browser.do("evaluate", script="window.shown"))


def clicks(browser: Browser, count: int) -> Iterator[float]:
    browser.do("press", key="c")
    rng = np.random.default_rng(0)
    for voxel in voxels(rng, count):
        browser.do("evaluate", script=WATCH % (TURNS, f"{TURNS} > before"))
        inside = np.hypot(voxel[1] - 256, voxel[2] - 230) < 70
        browser.click(voxel, "left" if inside else "right")
        yield float(browser.do("evaluate", script="window.shown"))


def strokes(browser: Browser, count: int) -> Iterator[float]:
    browser.do("press", key="b")
    for voxel in voxels(np.random.default_rng(1), count):
        browser.do("evaluate", script=WATCH % (TURNS, f"{TURNS} > before"))
        browser.drag([voxel, (voxel[0], voxel[1] + 12, voxel[2]), (voxel[0], voxel[1] + 12, voxel[2] + 12)])
        yield float(browser.do("evaluate", script="window.shown"))


def voxels(rng: np.random.Generator, count: int) -> Iterator[tuple[float, float, float]]:
    for _ in range(count):
        yield SHAPE[0] // 2, *map(float, rng.uniform((150, 130), (360, 330)))


if __name__ == "__main__":
    main()
