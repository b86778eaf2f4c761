"""A Report into a document: one file per output format."""
