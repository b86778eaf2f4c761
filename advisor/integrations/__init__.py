"""Plug-ins for test runners and frameworks: they import nothing heavy."""
