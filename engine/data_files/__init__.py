"""HDF5 files with images, parsed. Runs in the sandbox."""
