"""Findings for each case: as a table for people, as JSON for programs."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from lesslabel.data.findings import Finding
from lesslabel.data.store import Store
from lesslabel.data.verify.store_check import findings_to_json
from lesslabel.terminal import add_row, cell, make_table

_SOUND = "sound"
_STYLES = {"error": "red", "warning": "yellow", _SOUND: "green"}


def render_cases(store: Store, findings: Sequence[Finding]) -> Table:
    """Make a table of the cases for the terminal: the content of each and its worst finding."""
    table = make_table("case", "patient", "shape (z, y, x)", "spacing (mm)", "annotations", "state")
    for case in _describe_cases(store, findings):
        shape, spacing = (" × ".join(f"{side:g}" for side in case[key]) for key in ("shape_voxel", "spacing_mm"))
        state = cell(case["state"], _STYLES[case["state"]])
        add_row(table, case["case"], case["patient"], shape, spacing, ", ".join(case["annotations"]), state)
    return table


def describe_store(store: Store, findings: Sequence[Finding]) -> dict[str, Any]:
    """The report for programs: every case with its state and findings, then the findings about the whole store.

    Returns:
        A JSON object: ``format``, ``data_hash``, ``errors``, ``warnings``, ``cases`` (each with ``case``,
        ``patient``, ``shape_voxel``, ``spacing_mm``, ``annotations``, ``state`` and ``findings``) and ``findings``.
    """
    errors = sum(finding.severity == "error" for finding in findings)
    return {
        "format": 1,
        "data_hash": store.data_hash,
        "errors": errors,
        "warnings": len(findings) - errors,
        "cases": _describe_cases(store, findings),
        "findings": findings_to_json([finding for finding in findings if finding.case not in store.records]),
    }


def _describe_cases(store: Store, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    of_case: dict[str, list[Finding]] = {uid: [] for uid in store.records}
    for finding in findings:
        of_case.get(finding.case, []).append(finding)
    return [
        {
            "case": record.uid,
            "patient": record.patient,
            "shape_voxel": [record.depth, record.height, record.width],
            "spacing_mm": list(record.spacing_mm),
            "annotations": list(record.annotation_names),
            # "error" comes before "warning"
            "state": min((finding.severity for finding in of_case[record.uid]), default=_SOUND),
            "findings": findings_to_json(of_case[record.uid]),
        }
        for record in store.records.values()
    ]
