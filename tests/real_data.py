"""Where real data lie, if they are at hand."""

from pathlib import Path

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
