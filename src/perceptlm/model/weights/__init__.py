"""State-dict maps between the model in memory and the layouts other programs write."""
