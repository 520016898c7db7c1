"""Weights & Biases: `diagnose wandb`, and all that speaks with a server; its files are read by `diagnose.readers`.

Read `command`, `project` (an audit), `server` (its runs), `cache` and `outcomes` (what is remembered), `overview` (what
is said) and `write_back` (what is written). Only `server` and `write_back` touch the client, which is imported when it
is used; what of it is not public, `_private` alone.
"""
