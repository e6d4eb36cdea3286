"""A trained model at another hospital: choose what to annotate there, and adapt to it without the source's images."""

ADAPTATION = "adapt.json"
"""What tells the folder of an adaptation, which holds runs, from a run."""
