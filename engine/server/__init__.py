"""The engine process: its connections, its commands, and the way its events go out."""
