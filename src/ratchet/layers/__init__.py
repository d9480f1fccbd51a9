"""What learns above the frozen base: one file a layer, and the one way a request passes through them."""
