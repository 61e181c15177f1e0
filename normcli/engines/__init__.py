"""Engines, which are ordered maps, and the fragments that other processes work on."""
