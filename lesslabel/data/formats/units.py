"""Lengths in millimetres, by the names that file formats give them."""

from pathlib import Path

from lesslabel.errors import DataError

_UNITS_MM = {
    "nm": 1e-6,
    "um": 1e-3,
    "µm": 1e-3,
    "μm": 1e-3,
    "\\u00B5m": 1e-3,
    "micron": 1e-3,
    "microns": 1e-3,
    "micrometer": 1e-3,
    "mm": 1.0,
    "millimeter": 1.0,
    "cm": 10.0,
    "m": 1000.0,
    "inch": 25.4,
    "in": 25.4,
}


def unit_mm(path: Path, name: str) -> float:
    """The length of a unit in mm.

    Raises:
        DataError: if its name is not known.
    """
    if name.strip() not in _UNITS_MM:
        raise DataError(f"{path}: unit of length '{name.strip()[:20]}' is not known; write nm, um, mm, cm or m")
    return _UNITS_MM[name.strip()]
