"""How measuring errors propagate to utilities, ranks and probabilities of being best."""
