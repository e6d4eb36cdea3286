"""Small studies and made-up jobs."""

from pathlib import Path
from typing import Any

import yaml

from lesslabel.studies.job import Job
from lesslabel.studies.work import JobFolder
from lesslabel.tables.label_costs import LabelCount

DECLARATION: dict[str, Any] = {
    "store": "stores/phantom",
    "methods": [{"name": "pCE", "configs": ["pce.yaml"]}],
    "seeds": [0],
    "selection": {"checkpoint": "best", "part": "validation"},
}

SETTINGS: dict[str, Any] = {
    "model": {
        "class_path": "lesslabel.methods.MeanTeacher",
        "init_args": {"num_classes": 4, "network": {"channels": [4, 8], "encoder_dropout": [0.0, 0.0]}},
    },
    "data": {
        "class_path": "lesslabel.data.PhantomDataModule",
        "init_args": {
            "store": "elsewhere",
            "view": {"supervision": [{"annotation": "dense"}]},
            "batch_size": 2,
            "unlabelled_batch_size": 3,
        },
    },
    "trainer": {"accelerator": "cpu", "max_steps": 2},
}


def declare(folder: Path, **changes: Any) -> Path:
    """Write a declaration with some keys changed; None leaves one out."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {key: value for key, value in {**DECLARATION, **changes}.items() if value is not None}
    (folder / "study.yaml").write_text(yaml.safe_dump(content))
    return folder


def made_up_job(folder: Path, name: str = "a", **changes: Any) -> Job:
    """A job that nobody can run."""
    values: dict[str, Any] = {
        "method": name,
        "series": name,
        "fold": 0,
        "seed": 0,
        "arguments": (),
        "scoring": {"unit": "mm", "hd95": "pooled", "empty": "diagonal"},
        "checkpoint": "last",
        "devices": 1,
        "nodes": 1,
        "labels": LabelCount(),
        "parts": {},
        "key": name,
        "folder": JobFolder(folder / name),
    }
    return Job(**{**values, **changes})


def finish(folder: JobFolder) -> None:
    """What a job leaves when it ends well."""
    (folder.run / "test").mkdir(parents=True)
    (folder.run / "test" / "metrics.csv").touch()
    folder.done.write_text("{}")
