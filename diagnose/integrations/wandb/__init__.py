"""Weights & Biases: the command `diagnose wandb`, and writing back to runs on a server."""
