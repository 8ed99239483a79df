"""From a YAML spec to a plan, a DAG, a local run and a review; never touches events."""
