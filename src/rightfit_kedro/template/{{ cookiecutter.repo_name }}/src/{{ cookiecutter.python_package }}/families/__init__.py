"""Model families of this project."""
