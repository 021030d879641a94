"""The table of families, snapshot to text, and the exporter's own series."""
