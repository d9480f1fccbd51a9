"""Make a passed candidate a release; put releases in force; take them back."""
