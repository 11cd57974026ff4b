"""The verbs of the command ``rightfit`` beside running a pipeline."""
