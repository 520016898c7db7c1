"""Formats: one module per format of a log, each with `NAME`, `recognise` and `read`.

A quirk of a format belongs into its module and nowhere else; a new format is one more module, named in `registry`, and
a CSV that is only known by its header one more row in `known_csv`.
"""
