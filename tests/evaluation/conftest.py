import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

REAL_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def acdc_label_maps() -> dict[str, NDArray[np.uint8]]:
    """The dense labels of the first five volumes of the packed ACDC set, (z, y, x)."""
    archive = REAL_DATA / "acdc.tar.xz"
    if not archive.is_file():
        pytest.skip(f"{archive} is not at hand")
    maps = {}
    with tarfile.open(archive, "r:xz") as tar:
        for member in tar:
            case, _, name = member.name.partition("/")
            if name == "label.npy":
                maps[case] = np.load(io.BytesIO(tar.extractfile(member).read()))
            if len(maps) == 5:
                return maps
    raise AssertionError("the archive has fewer than five volumes")


@pytest.fixture
def word_file(tmp_path: Path) -> Path:
    """One abdominal label map of sixteen organs as NIfTI."""
    archive = REAL_DATA / "word_labelsTs.zip"
    if not archive.is_file():
        pytest.skip(f"{archive} is not at hand")
    with zipfile.ZipFile(archive) as zipped:
        return Path(zipped.extract("labelsTs/word_0017.nii.gz", tmp_path))


@pytest.fixture
def blobs() -> Callable[[int, tuple[int, ...]], NDArray[np.uint8]]:
    """A maker of smooth random label maps with labels 0–3 that reach the border of the grid."""
    from scipy.ndimage import gaussian_filter

    def make(seed: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        fields = np.random.default_rng(seed).normal(size=(4, *shape))
        return np.argmax([gaussian_filter(field, 1.5) for field in fields], axis=0).astype(np.uint8)

    return make
