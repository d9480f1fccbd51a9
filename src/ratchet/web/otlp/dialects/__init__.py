"""The ways in which instrumentations write down what was asked and what was answered."""
