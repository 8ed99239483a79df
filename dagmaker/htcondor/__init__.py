"""HTCondor: submit files and DAGs, submission, event logs, repair."""
