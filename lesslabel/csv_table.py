"""Tables as text files."""

from pathlib import Path

import pandas as pd

from lesslabel.errors import DataError


def read_csv(path: Path, columns: tuple[str, ...] = (), numbers: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a table as text except the named columns of numbers, where an empty cell is NaN.

    Raises:
        DataError: if it is missing, damaged or lacks one of `columns`.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
        for column in table.columns.intersection(list(numbers)):
            table[column] = table[column].replace("", "nan").map(float)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; make it with the columns {', '.join(columns)}") from error
    except (OSError, ValueError) as error:  # pandas' own parser errors are ValueErrors
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as a table ({reason}); restore it") from error
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise DataError(f"{path}: column {', '.join(missing)} is missing; expected {', '.join(columns)}")
    return table
