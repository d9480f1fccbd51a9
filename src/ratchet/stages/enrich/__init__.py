"""Join what is known of a trace, judge it, and open a case where a person should look."""
