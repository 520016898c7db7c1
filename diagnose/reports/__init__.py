"""Reports render a judgement; they never judge.

`text` is for a person at a terminal, `json` for other programs; `curve` draws the picture in the text report.
"""
