"""Receivers that others would write, for comparison."""
