"""Networks made by a grammar, changed in many ways, and read by this program and by the real Keras side by side."""
