"""The JSON Schemas of the documents, as package data."""
