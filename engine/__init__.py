"""The engine: networks and data, in a process of its own."""
