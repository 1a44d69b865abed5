"""B from numbers: built, cut in two, computed on every image, and judged."""
