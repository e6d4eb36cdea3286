"""All steps on a generated phantom: prepare, train, test, report."""

import shutil
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.store.prepare import prepare
from lesslabel.data.verify.store_check import verify_store
from lesslabel.errors import DataError
from lesslabel.printing import print_summary
from lesslabel.reports import write_report
from lesslabel.runs.fitting import fit
from lesslabel.runs.testing import test

ITERATIONS = 400
CASES = 48
METHODS = {"pCE": "lesslabel.methods.PartialCrossEntropy", "DMPLS": "lesslabel.methods.DMPLS"}


def run_demo(output: Path, iterations: int | None = None) -> int:
    """Prepare a phantom store, train pCE and DMPLS on its scribbles, test both and write a report.

    Args:
        output: folder to make.
        iterations: of each training; None takes the demo's own number.

    Returns:
        The exit code, 0.

    Raises:
        DataError: if the folder exists.
    """
    if output.exists():
        raise DataError(f"{output}: exists already; remove it, or choose another folder with --output")
    since = time.monotonic()
    store, _ = prepare(Phantom(cases=CASES), output / "store")
    flaws = verify_store(store.path)
    print(f"{store.path}: {len(store.records)} generated cases, {len(flaws)} flaws")
    runs = []
    for name, class_path in METHODS.items():
        run = output / "runs" / name.lower()
        print(f"\ntraining {name} on scribbles")
        fit(_configuration(name, class_path, store.path, iterations or ITERATIONS), run=run)
        print(f"testing {name} against dense labels")
        print_summary(test(run))
        runs.append(run)
    report = write_report(runs, output / "report.html")
    print(f"\ndone in {(time.monotonic() - since) / 60:.1f} minutes; look at {report}")
    print("\n".join(["to draw on its images yourself:", *(f"  {line}" for line in how_to_draw(store.path))]))
    return 0


def how_to_draw(store: Path) -> list[str]:
    """The commands that open the page on a store, with those that bring what this environment has not got.

    Args:
        store: the store.
    """
    programs, package = Path(sys.executable).parent, Path(__file__).parent
    shown = f"{programs.relative_to(Path.cwd())}/" if programs.is_relative_to(Path.cwd()) else f"{programs}/"
    prefix = "" if shutil.which("lesslabel") == str(programs / "lesslabel") else shown
    commands = []
    if not (package / "annotating" / "static" / "page.js").is_file():
        commands.append("make page")
    if not all(map(find_spec, ("fastapi", "uvicorn"))):
        source = (package.parent / "pyproject.toml").is_file()
        what = "-e '.[annotate]'" if source else "'lesslabel[annotate]'"
        commands.append(f"{prefix}pip install {what}")
    return [*commands, f"{prefix}lesslabel annotate {store} --annotation mine --author me --kind scribble"]


def _configuration(name: str, class_path: str, store: Path, iterations: int) -> dict[str, object]:
    network = {"channels": [16, 32, 64, 128], "encoder_dropout": [0, 0, 0, 0]}
    model = {"num_classes": 4, "network": network, "optimiser": {"learning_rate": 0.03}}
    data = {
        "store": str(store),
        "view": {"supervision": [{"annotation": "scribble"}]},
        "size_voxel": [64, 64],
        "steps_per_epoch": min(50, iterations),
    }
    return {
        "name": name,
        "model": {"class_path": class_path, "init_args": model},
        "data": {"class_path": "lesslabel.data.PhantomDataModule", "init_args": data},
        "trainer": {"max_steps": iterations, "accelerator": "cpu", "log_every_n_steps": min(10, iterations)},
    }
