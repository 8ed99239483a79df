"""A run against its spec: verification, certificate, differences, unblinding."""
