"""All that a front end may import: the protocol, the client, the record of a run. No Keras, no NumPy."""
