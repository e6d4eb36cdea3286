"""Click protocols: simulated annotators on a trained interactive method, and the accuracy that they reach."""
