"""Turns pictures into figures and vectors: detector, face and image embedders, model cards."""
