"""The service: HTTP API, gateway, OTLP and the browser snippet; async only here."""
