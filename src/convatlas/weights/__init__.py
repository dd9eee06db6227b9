"""Weights from files: what a `weights=` argument means."""
