"""The general clicker: what it is trained on, its training, and the weights that come with the package."""
