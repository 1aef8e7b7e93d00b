"""What training and serving share: topologies, manifest, model store. Needs NumPy and pydantic only."""
