"""What a block leaves out, inferred from its tables."""
