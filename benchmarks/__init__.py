"""What this costs and what others cost: `make bench`. docs/performance.md says how it measures."""
