"""Prelabels of a queue without any model of one's own: the general clicker, pointed at by a coarse rule."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.data.store import Store
from lesslabel.errors import ConfigError
from lesslabel.general.loading import load_model
from lesslabel.interaction.prompts import Box, Click, Prompt
from lesslabel.interaction.session import InteractiveSession
from lesslabel.selection.image_description import generic_foreground, to_unit_range

CoarsePrompt = Literal["box", "centre"]
COARSE_PROMPTS: tuple[CoarsePrompt, ...] = get_args(CoarsePrompt)


def coarse_prelabels(
    store: Store, slices: Mapping[str, Sequence[int] | None], prompt: CoarsePrompt, code: int
) -> dict[str, NDArray[np.uint8]]:
    """Segment one object of each slice by the general clicker; no label is read.

    The prompt is the box, or the centre, of the `coarse_region` of the first channel. The rule knows nothing of the
    target: the masks are something to correct, not a result. The clicker sees the first three channels.

    Args:
        store: the store.
        slices: of each case those to segment, None for all; others stay background.
        prompt: what the clicker gets.
        code: of the object's label, see `prelabel_code`.

    Returns:
        By uid (z, y, x) label codes of the store; a slice without a region stays background.

    Raises:
        DataError: if a case is absent or damaged.
    """
    session = InteractiveSession(load_model("general"))
    made = {}
    for uid, indices in slices.items():
        image = store.read(uid).image
        brightness = to_unit_range(image[0])
        made[uid] = np.zeros(image.shape[1:], np.uint8)
        for index in range(len(brightness)) if indices is None else indices:
            region = coarse_region(brightness[index])
            if region.any():
                session.set_image(np.ascontiguousarray(image[:3, index]))
                made[uid][index][session.add(_point_at(region, prompt)).mask] = code
    return made


def prelabel_code(store: Store, label: str | None) -> int:
    """The code of the label that prelabels get.

    Args:
        store: the store.
        label: its name; None if the store has only one.

    Raises:
        ConfigError: if the store has no label, several and none is named, or it lacks the label.
    """
    codes = {name: code for code, name in store.labels.items()}
    if not codes:
        raise ConfigError("--prelabels: the store has no label; leave it out")
    if label is None and len(codes) == 1:
        return next(iter(codes.values()))
    if label is None:
        raise ConfigError(f"--prelabels: the store has the labels {', '.join(codes)}; name one by --prelabel-label")
    if label not in codes:
        raise ConfigError(f"--prelabel-label {label}: the store has {', '.join(codes)}; name one of them")
    return codes[label]


def coarse_region(plane: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The part of a slice that looks most like an object: bright or dark, connected, and little of it at the border.

    Of the largest bright and the largest dark region by the threshold of Otsu, the one that covers less of the image's
    border.

    Args:
        plane: (y, x) in [0, 1].

    Returns:
        (y, x) bool; empty if all values are equal.
    """
    if plane.min() == plane.max():
        return np.zeros(plane.shape, np.bool_)
    border = np.ones(plane.shape, np.bool_)
    border[1:-1, 1:-1] = False
    bright, dark = (generic_foreground(side[None])[0] for side in (plane, 1 - plane))
    regions = [region for region in (bright, dark) if region.any()]
    return min(regions, key=lambda region: (region & border).sum(), default=np.zeros(plane.shape, np.bool_))


def _point_at(region: NDArray[np.bool_], prompt: CoarsePrompt) -> Prompt:
    if prompt == "box":
        places = np.argwhere(region)
        return Box(tuple(map(int, places.min(axis=0))), tuple(map(int, places.max(axis=0))))
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    return Click(tuple(map(int, np.unravel_index(depth.argmax(), depth.shape))))
