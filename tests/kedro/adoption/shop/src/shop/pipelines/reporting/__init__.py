"""Report on returns."""

from kedro.pipeline import Node, Pipeline


def report_returns(orders, options):
    """Say which share of the orders is sent back."""
    return f"{(orders['returned'] == 'back').mean():.3f} of {options['random_state']}\n"


def create_pipeline() -> Pipeline:
    """Create the pipeline."""
    inputs = ["model_input_table", "params:model_options"]
    return Pipeline([Node(report_returns, inputs, "returns_report", name="report_returns")])
