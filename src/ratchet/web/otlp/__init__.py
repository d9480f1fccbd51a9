"""Reads what OpenTelemetry exporters send: traces, messages in log records, and evaluations."""
