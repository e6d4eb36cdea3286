"""Learning between two cases: a few steps of the served weights on what was drawn."""

from pathlib import Path

import numpy as np

from lesslabel.annotating.learned_weights import LearnedWeights
from lesslabel.annotating.task import work_folder
from lesslabel.data.case import Kind
from lesslabel.data.store import Store
from lesslabel.errors import RunError
from lesslabel.files import hash_file
from lesslabel.general.fine_tuning import fine_tune
from lesslabel.general.loading import WEIGHTS, load_general
from lesslabel.general.pictures import Picture, pictures_of
from lesslabel.methods.interactive.general_clicker import GeneralClicker

MOST_CASES = 40
"""Cases that are read; of more, as many at random."""


def learn(store: Path, annotation: str, served: str, steps: int) -> str | None:
    """Fine-tune weights on an annotation, and keep the result as the newest.

    Args:
        store: whose cases were drawn.
        annotation: name of what was drawn.
        served: sha256 of the weights to begin with: learned ones, or those of the package.
        steps: see `fine_tune`.

    Returns:
        The sha256 of the new weights; None if nothing is drawn that can be learned from.

    Raises:
        RunError: if the weights are not at hand, or the steps came to nothing.
        DataError: if the store cannot be read or written.
    """
    weights = LearnedWeights(work_folder(store, annotation))
    with weights.locked():
        begin = weights.path_of(served)
        if begin is None and served != hash_file(WEIGHTS):
            raise RunError(f"no weights with sha256 {served[:64]}; start the page again")
        seed = int(served[:8], 16)
        pictures, cases = drawn_pictures(Store(store), annotation, seed)
        if not pictures:
            return None
        method = load_general(begin or WEIGHTS).model
        assert isinstance(method, GeneralClicker)
        fine_tune(method, pictures, steps=steps, seed=seed)
        return weights.keep(method.state_dict(), {"from": served, "steps": steps, "cases": cases})


def drawn_pictures(store: Store, annotation: str, seed: int) -> tuple[list[Picture], int]:
    """The slices on which an annotation has labels, and the number of cases that were read for them."""
    uids = sorted(record.uid for record in store.list_records() if annotation in record.annotation_names)
    if len(uids) > MOST_CASES:
        uids = np.random.default_rng(seed).choice(uids, MOST_CASES, replace=False).tolist()
    pictures: list[Picture] = []
    for uid in uids:
        case = store.read(uid)
        drawn = case.annotations.get(annotation)  # it may be removed meanwhile
        if drawn is not None and drawn.kind is Kind.DENSE:
            pictures += [picture for picture in pictures_of(case, drawn) if picture.classes]
    return pictures, len(uids)
