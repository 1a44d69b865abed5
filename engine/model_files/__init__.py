"""Keras files, parsed without Keras. Runs in the sandbox."""
