"""Medical image segmentation from few labels: choose, annotate, train, adapt, show."""

__version__ = "0.1.0"
