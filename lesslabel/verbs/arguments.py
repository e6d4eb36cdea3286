"""Arguments that several verbs share."""

import argparse


def add_unit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the annotation unit, and the size of patches."""
    parser.add_argument("--unit", choices=("slice", "case", "patch"), default="slice", help="the annotation unit")
    parser.add_argument(
        "--patch-voxel", type=int, nargs=3, default=None, metavar=("Z", "Y", "X"), help="size of patches, in voxels"
    )
