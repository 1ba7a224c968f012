"""Processor: applies events to payments exactly once; answers questions about payments."""
