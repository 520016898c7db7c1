"""Names: what a column, a hyperparameter or an optimizer is called in logs and configs, and what it means.

A name that is not recognised is added here, in the one table of its kind, and nowhere else. It knows no curve.
"""
