"""Reports render a judgement; they never judge.

`text` is for a person at a terminal, `html` for a browser, `notebook` for Jupyter, `plot` for a picture in a file;
`compare` and its page set runs beside each other, `project` all runs of a project. `json`, described by
report.schema.json, and `jsonl` are for other programs; `sarif`, `github`, `junit`, `csv` and `markdown` are for tools
that show findings. `curve` draws in characters and `svg` in lines what `panels` and `comparison` say there is to draw.
"""
