"""What every reader of a file from outside shares: limits, refusals, kinds of files, HDF5 without trust."""
