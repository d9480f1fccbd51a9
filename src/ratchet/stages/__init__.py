"""The verbs: what happens to feedback on its way to a better answer. No stage imports another."""
