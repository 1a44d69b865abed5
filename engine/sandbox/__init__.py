"""The throw-away process that parses files from outside, its client, and what the engine takes from it."""
