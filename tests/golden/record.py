"""Golden values: what the library computed before a change, so that a refactoring shows that no number moved.

On the processor and with the releases of torch and NumPy that `golden.json` names, arrays are compared by sha256.
Elsewhere the last digits of sums differ, so that a few projections of the arrays are compared instead: floats to a
thousandth of their norm, whole numbers and masks to 2 %.

`pytest tests -m golden --regenerate-golden -n 0` writes the file again; a commit that does so says which number changed
and why.
"""

import hashlib
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

FILE = Path(__file__).parent / "golden.json"
_PROJECTIONS = 6
_TOLERANCE = {"f": 1e-3, "i": 0.02}


def environment() -> dict[str, str]:
    """What the last digits of a sum depend on."""
    return {"processor": _processor(), "torch": torch.__version__.partition("+")[0], "numpy": np.__version__}


class Golden:
    """The recorded values, to compare with or to write again.

    Args:
        regenerate: write what is given instead of comparing.
    """

    def __init__(self, *, regenerate: bool) -> None:
        self.regenerate = regenerate
        self.content: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {"entries": {}}

    def check(self, name: str, arrays: Mapping[str, ArrayLike | torch.Tensor]) -> None:
        """Compare arrays with those of the entry of that name."""
        found = fingerprint(arrays)
        if self.regenerate:
            self._write(name, found)
            return
        assert name in self.content["entries"], f"{name} has no golden values; see {__file__}"
        entry = self.content["entries"][name]
        variants = [entry, *entry.get("variants", ())]  # where rounding grows, what other processors found
        here = [one for one in variants if one.get("environment", self.content["environment"]) == environment()]
        for expected in here:
            assert found["sha256"] == expected["sha256"], f"{name}: {found['values']} instead of {expected['values']}"
        nearest = min(variants, key=lambda expected: _distance(found, expected))
        for kind in nearest["values"]:
            np.testing.assert_allclose(
                found["values"][kind],
                nearest["values"][kind],
                rtol=0,
                atol=_TOLERANCE[kind] * max(nearest["norm"][kind], 1e-12),
                err_msg=name,
            )

    def _write(self, name: str, found: dict[str, Any]) -> None:
        content = json.loads(FILE.read_text()) if FILE.exists() else {"entries": {}}
        if content.setdefault("environment", environment()) != environment():
            found = {**found, "environment": environment()}  # the other entries were computed elsewhere
        content["entries"] = dict(sorted({**content["entries"], name: found}.items()))
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in content["entries"].items())
        FILE.write_text(f'{{"environment": {json.dumps(content["environment"])},\n "entries": {{\n{lines}\n}}}}\n')


def _distance(found: Mapping[str, Any], expected: Mapping[str, Any]) -> float:
    kinds = expected["values"]
    return max(float(np.abs(np.subtract(found["values"][kind], expected["values"][kind])).max()) for kind in kinds)


def fingerprint(arrays: Mapping[str, ArrayLike | torch.Tensor]) -> dict[str, Any]:
    """The sha256 of named arrays, and projections of them on fixed random directions."""
    digest = hashlib.sha256()
    parts: dict[str, list[NDArray[np.float64]]] = {}
    for name in sorted(arrays):
        given = arrays[name]
        array = np.ascontiguousarray(given.detach().cpu().numpy() if isinstance(given, torch.Tensor) else given)
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
        kind = "f" if array.dtype.kind == "f" else "i"
        parts.setdefault(kind, []).append(np.nan_to_num(array.astype(np.float64).reshape(-1)))
    joined = {kind: np.concatenate(part) for kind, part in parts.items()}
    return {
        "sha256": digest.hexdigest(),
        "values": {kind: _projected(vector) for kind, vector in joined.items()},
        "norm": {kind: _rounded(np.linalg.norm(vector)) for kind, vector in joined.items()},
    }


def _projected(vector: NDArray[np.float64]) -> list[float]:
    rng = np.random.default_rng(0)
    return [_rounded(rng.standard_normal(len(vector)) @ vector) for _ in range(_PROJECTIONS)]


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _processor() -> str:
    capability = torch.backends.cpu.get_cpu_capability()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.processor()} {capability}"
    fields = dict(map(str.strip, line.split(":", 1)) for line in lines if ":" in line)
    known = (fields.get(key, "") for key in ("vendor_id", "cpu family", "model"))
    return " ".join((*known, capability))
