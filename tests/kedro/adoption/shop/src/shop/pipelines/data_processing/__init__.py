"""Join the raw tables."""

from kedro.pipeline import Node, Pipeline


def join_tables(orders, customers):
    """Return one row per order, with what is known of its customer."""
    return orders.merge(customers, on="customer").drop(columns="customer")


def create_pipeline() -> Pipeline:
    """Create the pipeline."""
    inputs = ["orders_raw", "customers_raw"]
    return Pipeline([Node(join_tables, inputs, "model_input_table", name="join_tables")])
