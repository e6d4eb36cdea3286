"""Learning from few labelled and many unlabelled cases."""
