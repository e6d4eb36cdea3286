"""``clicker``: train the general clicker."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any


def clicker(given: list[str]) -> int:
    """Train the general clicker from stores."""
    parser = argparse.ArgumentParser(
        "lesslabel clicker",
        description="Train the general clicker on the pictures and slices of stores, and on images made from label "
        "maps. The same command continues what the folder holds.",
    )
    parser.add_argument("stores", type=Path, nargs="+", help="prepared stores with dense labels")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoint, curve and weights")
    parser.add_argument("--label-maps", type=Path, default=None, help="folder of NIfTI label maps without images")
    parser.add_argument("--rounds", type=int, default=1600, help="each draws 12 tasks (default 1600)")
    parser.add_argument("--last-share", type=float, default=0.3, help="of them, in which the rate falls (default 0.3)")
    parser.add_argument("--last-size", type=int, default=96, help="side of the tasks in that part (default 96)")
    parser.add_argument("--stop", type=int, default=None, help="end after this round, as if killed there")
    parser.add_argument("--every", type=int, default=50, help="rounds between two points of the curve (default 50)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and tasks")
    parser.add_argument("--threads", type=int, default=1, help="of the processor (default 1)")
    options = parser.parse_args(given)
    return _train(options)


def _train(options: argparse.Namespace) -> int:
    import torch

    from lesslabel.general.training import WEIGHTS, Schedule, train_general

    torch.set_num_threads(options.threads)
    known = {field.name for field in fields(Schedule)}
    schedule = Schedule(**{name: value for name, value in vars(options).items() if name in known})
    train_general(
        options.stores, options.label_maps, options.out, schedule, _tell, stop=options.stop, every=options.every
    )
    print(f"weights: {options.out / WEIGHTS}")
    return 0


def _tell(point: dict[str, Any]) -> None:
    print("  ".join(f"{name} {value}" for name, value in point.items()), flush=True)
