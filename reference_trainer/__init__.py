"""A small PyTorch trainer whose runs have a known illness, or none: ground truth for the rules and for their fixes.

`recipe` and `faults` are free of torch; everything else needs the extra `trainer`.
"""
