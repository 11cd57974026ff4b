"""Small valid objects and files, each as a test wants it."""
