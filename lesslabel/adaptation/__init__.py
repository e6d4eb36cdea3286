"""A trained model at another hospital: choose what to annotate there, and adapt to it without the source's images."""
