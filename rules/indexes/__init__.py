"""IDX: rules about indexes that are missing."""
