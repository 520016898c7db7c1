"""From a table to runs: its axis, the roles of its columns, the trainings in it, and the configuration beside it.

What stands here knows no format. A column that is taken for what it is not is mended here or in `diagnose.names`.
"""
