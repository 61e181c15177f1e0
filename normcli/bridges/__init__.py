"""Bridges: numbers that other programs computed, into sidecars. A module for each kind of file."""
