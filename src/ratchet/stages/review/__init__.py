"""Choose what a person should look at next, and turn a verdict into a lesson."""
