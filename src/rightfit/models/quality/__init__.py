"""How good answers are: the dataset's metric, its check before slow work, its error."""
