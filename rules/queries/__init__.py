"""QRY: rules about how a query is written."""
