"""The whole loop without a line of Python: select, annotate (a robot in the real page), fit, test, report."""

from pathlib import Path

import numpy as np
import pytest
from browser import Browser, Served, require_browser
from hand import scribble_slice

from lesslabel.annotating.items import list_items
from lesslabel.cli import main
from lesslabel.data.case import IGNORE, Kind
from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.store import Store
from lesslabel.data.store.prepare import prepare

SLICES = 4
SETTINGS = {
    "model.num_classes": 4,
    "model.network.channels": "[4, 8]",
    "model.network.encoder_dropout": "[0, 0]",
    "data": "lesslabel.data.PhantomDataModule",
    "data.size_voxel": "[32, 32]",
    "data.steps_per_epoch": 2,
    "trainer.accelerator": "cpu",
    "trainer.log_every_n_steps": 1,
}


def fit(store: Path, run: Path, model: str, annotation: str) -> None:
    settings = {
        "run": run,
        "model": f"lesslabel.methods.{model}",
        **SETTINGS,
        "data.store": store,
        "data.view.supervision": f'[{{"annotation": "{annotation}"}}]',
        "trainer.max_steps": 4,
    }
    assert main(["fit", *(text for key, value in settings.items() for text in (f"--{key}", str(value)))]) == 0


@pytest.mark.slow
def test_from_the_queue_to_the_report(tmp_path: Path) -> None:
    chromium = require_browser()
    path, queue = tmp_path / "store", tmp_path / "queue.csv"
    prepare(Phantom(cases=16, size=32, depth=3), path)
    fit(path, tmp_path / "source", "Supervised", "dense")
    export = [str(tmp_path / "source"), str(tmp_path / "bundle"), "--store", str(path), "--references", "2"]
    assert main(["bundle", "export", *export, "--mask", "background-softmax", "--min-patients", "1"]) == 0
    selection = ["--bundle", str(tmp_path / "bundle"), "--store", str(path), "--strategy", "random"]
    assert main(["select", *selection, "--budget", str(SLICES), "--out", str(queue)]) == 0
    store = Store(path)
    items = list_items(store, queue)
    rng = np.random.default_rng(0)
    with Browser(chromium) as browser, Served(path, "--queue", str(queue), "--kind", "scribble") as served:
        browser.open(served.links["ann"])
        for item in items:
            assert item.slices is not None
            truth = store.read(item.uid).annotations["dense"].labels
            strokes = 0
            for z in item.slices:
                strokes += scribble_slice(browser, z, truth[z], tuple(store.labels), rng)
                browser.turns(strokes)
                browser.do("press", key="n")
            browser.finish()
        browser.do("state", **{"is": "done"})
        problems = browser.do("heard")["problems"]
        assert [problem for problem in problems if "status of 428" not in problem] == []  # nothing to mark, asked back
    drawn = {
        uid: Store(path).read(uid) for uid in store.records if "drawn" in Store(path).records[uid].annotation_names
    }
    assert set(drawn) == {item.uid for item in items}
    for item in items:
        annotation = drawn[item.uid].annotations["drawn"]
        known = annotation.labels != IGNORE
        assert annotation.kind is Kind.SCRIBBLE
        assert annotation.covered_slices == tuple(sorted(item.slices or ()))
        assert np.mean(annotation.labels[known] == drawn[item.uid].annotations["dense"].labels[known]) > 0.95
    fit(path, tmp_path / "run", "DMPLS", "drawn")
    assert main(["test", "--run", str(tmp_path / "run")]) == 0
    assert main(["report", str(tmp_path / "run"), "--output", str(tmp_path / "report.html")]) == 0
    assert (tmp_path / "report.html").is_file()
