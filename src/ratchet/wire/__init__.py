"""The shapes that cross the network: what the service takes and gives, shared by service and client."""
