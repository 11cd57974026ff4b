"""Training costs: what a training step costs at different batch sizes."""
