"""How far measuring errors reach into utilities, ranks and chances."""
