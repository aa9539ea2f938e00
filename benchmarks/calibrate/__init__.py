"""Derives a model card's calibration: from labelled pictures, or from a dataset without labels."""
