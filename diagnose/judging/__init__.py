"""Judging: the engine that gives rules what they ask for, one source or many read and judged, and runs in groups.

No rule and no sentence of a report stands here. What a rule asks for is `needs`, what is installed `installed`; a new
input is one function in `providers`, and `inputs` is the graph of them.
"""
