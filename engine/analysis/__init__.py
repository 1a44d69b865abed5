"""What the numbers of a run say."""
