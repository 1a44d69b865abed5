"""In which order channels go: one file a method. What they are called is in `engine.api.orders`."""
