"""One package per framework or library that `diagnose` works inside of.

Beside the reference trainer these are the only rooms that may import torch.
"""
