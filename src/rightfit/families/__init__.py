"""Model families, model bundles and serving runtimes."""
