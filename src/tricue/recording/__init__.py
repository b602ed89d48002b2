"""A long recording becomes a timeline: segments with words and emotions, as a table, captions and a page."""
