"""Makes the picture of the page for the README: python tests/annotate/screenshot.py docs/annotate.png."""

import sys
import tempfile
from pathlib import Path

import numpy as np
from browser import Browser, Served, require_browser

from lesslabel.data.queue import Queue, QueueRow, write_queue
from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.store.prepare import prepare


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = prepare(Phantom(cases=6), Path(folder) / "store")[0]
        queue = Path(folder) / "queue.csv"
        uids = list(store.records)
        reasons = ("farthest from all references", "predictions disagree most", "second farthest")
        rows = [QueueRow(uid, slice=4, rank=rank, reason=reasons[rank % 3]) for rank, uid in enumerate(uids[:4])]
        write_queue(queue, Queue(tuple(rows)))
        truth = store.read(uids[0]).annotations["dense"].labels
        with Browser(require_browser()) as browser, Served(store.path, "--queue", str(queue)) as served:
            browser.open(served.links["ann"])
            for key, code in (("1", 1), ("3", 3)):
                places = np.argwhere(truth[4] == code)
                middle = places[np.argmin(((places - places.mean(axis=0)) ** 2).sum(axis=1))]
                browser.do("press", key=key)
                browser.click((4, *middle.tolist()))
            browser.turns(2)
            browser.do("screenshot", path=sys.argv[1])


if __name__ == "__main__":
    main()
