"""Evaluation: questions to a model, answers to scores, scores with their uncertainty and their baselines."""
