"""What training and serving must agree on: topologies, manifest, store. NumPy and pydantic only."""
