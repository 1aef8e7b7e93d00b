"""Measurements side by side. Each command prints its figures, and ends with one JSON line."""
