"""Ours and the peers: each way to do a job, as its users write it."""
