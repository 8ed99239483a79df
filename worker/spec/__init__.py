"""The spec: sections, YAML reader, and messages about faults."""
