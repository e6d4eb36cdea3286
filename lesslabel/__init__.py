"""Medical image segmentation from few labels: select, annotate, train, adapt, report."""

from lesslabel.moved import find_moved_modules

__version__ = "0.1.0"

find_moved_modules()
