"""SCN: rules about reading more than is needed."""
