"""Semi-supervised methods: few labelled and many unlabelled cases."""
