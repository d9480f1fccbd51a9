"""The verbs: what happens to feedback on its way to a better answer; no stage imports another."""
