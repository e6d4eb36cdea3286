"""Methods for dense, scribbled and unlabelled cases in one run."""
