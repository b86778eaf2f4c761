"""Values that pass between the stages: frozen, slotted, and importing nothing of ours."""
