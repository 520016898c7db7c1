"""From bytes to tables: documents, dialects, cells, records, databases and messages.

What stands here knows neither a format's name nor what a column means; a table is columns of text and numbers.
"""
