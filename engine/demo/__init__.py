"""The embedded lab: faces that are drawn, and two networks with a backdoor trained on them."""
