"""One package per framework or library that `diagnose` works inside of; a class of theirs has no place outside it.

Each reads from its command down to `_private.py`, which alone knows what of its library is not public.
Beside the reference trainer these are the only rooms that may import torch; the core never imports them.
"""
