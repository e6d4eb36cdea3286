"""``demo``: all steps on the phantom."""

import argparse
from pathlib import Path


def demo(given: list[str]) -> int:
    """Run all steps."""
    parser = argparse.ArgumentParser("lesslabel demo", description="Phantom, pCE and DMPLS, test, report: 4 minutes.")
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder to make")
    parser.add_argument("--iterations", type=int, default=None, help="training iterations per method")
    options = parser.parse_args(given)
    from lesslabel.demo import run_demo

    return run_demo(options.output, options.iterations)
