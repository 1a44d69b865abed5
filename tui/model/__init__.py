"""What both front ends show of a run: one frozen state, how it changes, how it is worded."""
