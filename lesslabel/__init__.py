"""Medical image segmentation from few labels: choose, annotate, train, adapt, show."""

from lesslabel.moved import find_moved_modules

__version__ = "0.1.0"

find_moved_modules()
