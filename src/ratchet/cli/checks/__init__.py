"""What ``ratchet doctor`` looks at: one file a topic, one small function a check."""
