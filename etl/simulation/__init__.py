"""The simulated music service: catalogue, listeners and their behaviour, written as source tables."""
