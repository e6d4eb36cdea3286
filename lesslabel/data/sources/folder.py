"""A user's own cases, listed in a CSV, or the images of a folder."""

from pathlib import Path

from lesslabel.data.case import IGNORE
from lesslabel.data.sources.images import list_images
from lesslabel.data.sources.listed import Listed, parse_labels
from lesslabel.data.sources.table import list_table, name_channels

__all__ = ["Folder", "parse_labels"]


class Folder(Listed):
    """Images listed in a CSV with the column ``image`` and, all optional, these others.

    - ``label``: dense label map; 255 is unknown, and a map with only 0 and 255 is refused, unless it is a picture
      (PNG, TIFF) and there is only one label: then it is a mask of that label.
    - ``label_<rater>``: the same by one of several raters, one column per rater; an empty cell means that
      this one did not annotate the case. The annotation has the rater's name, ``rater1`` for ``label_1``.
    - ``scribble``: label map in which only strokes are known.
    - ``patient``: splits divide by it. **Without it every case counts as a separate patient**: fill it if a patient
      has more than one image, or the same patient may end up in training and in test.
    - ``centre``, ``modality``: free text.
    - ``split``: ``train``, ``validation`` or ``test``, in every row or in none; split ``groups`` uses it.
    - ``case``: the case's name; by default the first image's file name without its ending.

    Paths are relative to the CSV's folder, or absolute. Several images of one case, joined by ``;`` or ``|``, become
    its channels, as does the fourth dimension of an image. Columns ``image_<channel>``, in place of ``image``, name the
    channels too. Files have any format of `lesslabel.data.formats.reading`; formats can be mixed.

    A folder without a CSV is read too: every image in it is a case and a patient, without any label.

    Args:
        raw: the CSV, UTF-8, comma separated; or the folder of the images.
        labels: codes and names, ``"1=RV,2=Myo"``. By default every value of the label maps becomes a label
            (``"label 1"``), or every name where files name their segments; they are all read once to find them.
        unknown: the value of an unannotated voxel in the scribbles, 255 by default.

    Raises:
        DataError: if the table or a file in it has an error; the message names the row.
        ConfigError: if `labels` or `unknown` is not valid.
    """

    name = "folder"
    dense_unknown = IGNORE

    def __init__(self, raw: Path, labels: str | None = None, unknown: int | None = None) -> None:
        if self._require_raw(raw).is_dir():
            super().__init__(raw, list_images(Path(raw)), labels=labels, unknown=unknown)
        else:
            super().__init__(
                raw, list_table(Path(raw), parts=True), name_channels(Path(raw)), labels=labels, unknown=unknown
            )
