"""The loop on real images, without writing Python: choose, scribble in the page, train on that alone, test, report.

    python -P benchmarks/annotation_loop.py stores/acdc build/annotation_loop

Takes a copy of a prepared ACDC store. A robot with a jittered hand drives the real page in Chromium (`make page` and
Debian's chromium): in every slice of the cold queue a stroke along the middle of each structure and of the background.
DMPLS then sees these strokes and nothing else. Prints the minutes of every step.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "annotate"))  # the robot, its browser and the server are those of the tests

from browser import Browser, Served, require_browser  # noqa: E402
from hand import scribble_slice  # noqa: E402

from lesslabel.annotating.items import list_items  # noqa: E402
from lesslabel.data.store import Store  # noqa: E402

NETWORK = ("--model.network.channels", "[8, 16, 32, 64]", "--model.network.encoder_dropout", "[0, 0, 0.1, 0.1]")


def main() -> None:
    """Walk through the loop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, help="a prepared ACDC; it is copied")
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--slices", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    store, queue, run = options.out / "store", options.out / "queue" / "queue.csv", options.out / "run"
    with timed("copy the store"):
        shutil.copytree(options.store, store)
    with timed("choose"):
        lesslabel("select", "--store", store, "--budget", options.slices, "--seed", options.seed, "--out", queue)
    with timed("scribble"):
        scribble(store, queue, options.seed)
    with timed("train"):
        lesslabel("fit", *training(store, run, options.iterations))
    with timed("test"):
        lesslabel("test", "--run", run)
    with timed("report"):
        lesslabel("report", run, "--output", options.out / "report.html")
        lesslabel("report", store, "--annotation", "drawn", "--output", options.out / "annotations.html")


def training(store: Path, run: Path, iterations: int) -> tuple[object, ...]:
    """The settings of DMPLS on the strokes; small, so that it takes minutes."""
    data = (
        *("--data.store", store, "--data.split", "random", "--data.size_voxel", "[128, 128]"),
        *("--data.batch_size", 6, "--data.steps_per_epoch", iterations, "--data.workers", 0),
        *("--data.view.supervision", '[{"annotation": "drawn"}]'),
    )
    trainer = ("--trainer.max_steps", iterations, "--trainer.accelerator", "cpu")
    return ("--config", ROOT / "configs" / "acdc" / "dmpls.yaml", *data, *NETWORK, *trainer, "--run", run)


def scribble(store: Path, queue: Path, seed: int) -> None:
    """Work off the queue in the page, as a person would."""
    opened, rng = Store(store), np.random.default_rng(seed)
    with Browser(require_browser()) as browser, Served(store, "--queue", str(queue), "--kind", "scribble") as served:
        browser.open(served.links["ann"])
        for item in list_items(opened, queue):
            truth, strokes = opened.read(item.uid).annotations["dense"].labels, 0
            for z in item.slices or ():
                strokes += scribble_slice(browser, z, truth[z], tuple(opened.labels), rng)
                browser.turns(strokes)
                browser.do("press", key="n")
            browser.finish()
            print(f"  {item.uid}: {strokes} strokes on {len(item.slices or ())} slices", flush=True)
        browser.do("state", **{"is": "done"})
        print("  heard:", browser.do("heard")["problems"])


def lesslabel(*words: object) -> None:
    """Run the command."""
    subprocess.run([sys.executable, "-m", "lesslabel.cli", *map(str, words)], check=True, cwd=ROOT)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long a step took."""
    since = time.perf_counter()
    yield
    print(f"{what}: {(time.perf_counter() - since) / 60:.1f} min", flush=True)


if __name__ == "__main__":
    main()
