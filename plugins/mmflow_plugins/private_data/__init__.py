"""Detectors of private data: one module each, with `found_in(text)` for text that `ready` has prepared."""
