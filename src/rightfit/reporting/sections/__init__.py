"""The sections of the report, one question per module; each builds one ``Section``."""
