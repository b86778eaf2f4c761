"""The rule contract, the registry, and the one walk that feeds all rules."""
