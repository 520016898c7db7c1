"""Reports render a judgement; they never judge.

`text` is for a person at a terminal, `json` for other programs, `html` for a browser, `notebook` for Jupyter, `plot`
for a picture in a file; `compare` and its page set runs beside each other. `curve` draws in characters and `svg` in
lines what `panels` and `comparison` say there is to draw.
"""
