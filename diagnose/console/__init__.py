"""The console: options and their completion, the terminal's width and colours, and where a report is written.

A width, a colour or a key press belongs here; a sentence of a report belongs to `diagnose.reports`. Every command uses
it, those of other packages too, so an option that two commands share stands in `options` once.
"""
