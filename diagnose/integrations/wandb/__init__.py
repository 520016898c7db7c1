"""Weights & Biases: `diagnose wandb`, all that speaks with a server. Files of the client are read by `diagnose.readers`.

Read `command`, `project` (an audit), `server` (its runs), `cache` and `outcomes` (what is remembered), `overview` (what
is said), `write_back` (what is written). The client is touched by `server` and `write_back`, past its public interface
by `_private` alone, and imported when it is used: `diagnose` starts without it.
"""
