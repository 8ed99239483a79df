"""What the user writes: sections, the YAML around them, and every message about them."""
