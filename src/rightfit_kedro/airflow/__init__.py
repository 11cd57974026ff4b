"""Running the pipelines under a scheduler; nothing here imports one."""
