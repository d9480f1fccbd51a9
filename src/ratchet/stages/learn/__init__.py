"""Ask the layers what the new lessons would change."""
