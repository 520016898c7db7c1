"""Reports render a judgement; they never judge.

`text` is for a person at a terminal, in which `curve` draws the picture; `json`, described by report.schema.json, and
`jsonl` are for other programs; `sarif`, `github`, `junit`, `csv` and `markdown` are for tools that show findings.
"""
