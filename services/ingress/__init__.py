"""Ingress: verifies webhooks, stores events once, hands them to the processor."""
