"""Formats: one module per format of a log, each with `NAME`, `recognise` and `read`.

A quirk of a format belongs into its module and nowhere else; a new format is one more module, named in `registry`.
"""
