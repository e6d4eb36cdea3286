"""The expected Dice of predictions that nobody checked yet, from the model's own doubt. See `docs/trust.md`."""
