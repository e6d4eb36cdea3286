"""Use a trained model at another hospital: choose units to annotate, and adapt without the source's images."""

ADAPTATION = "adapt.json"
"""The file that identifies the folder of an adaptation, which holds runs."""
