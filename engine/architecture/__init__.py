"""A network as a description: allowed layers, their settings, shapes and weights, and its graph."""
