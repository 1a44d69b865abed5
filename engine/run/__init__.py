"""One run: what it reads, where its playhead stands, what it has answered, recorded and saved."""
