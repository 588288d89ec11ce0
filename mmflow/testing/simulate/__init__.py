"""Whole flows under seeded random faults: `python -m mmflow.testing.simulate workflow.mmf`, or `mmflow simulate workflow.mmf`."""
