"""The rules, one folder per family and one file per rule; imported as `advisor_rules`, by the registry only."""
