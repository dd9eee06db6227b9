"""Training: a recipe, a loop that yields events, a run folder."""
