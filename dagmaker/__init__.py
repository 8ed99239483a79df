"""From a YAML spec to a plan, a DAG, a local run and a review. Event data are read by `worker` only."""
