"""Methods that adapt a trained network to unlabelled images."""
