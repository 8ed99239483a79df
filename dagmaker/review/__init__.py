"""Compare a run with its spec: verification, certificate, differences, unblinding."""
