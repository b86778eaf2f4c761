"""The bundled log and schema of `advisor demo`."""
