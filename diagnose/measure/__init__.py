"""Measures: numbers from curves, one idea per module, with the source of each formula.

What stands here knows arrays and series, and neither a role nor a rule. Anything may import it, and it imports
nothing but `diagnose.curves`.
"""
