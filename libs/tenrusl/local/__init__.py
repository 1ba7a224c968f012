"""The embedded stack behind `make run`, `make demo`, the tests and the benchmarks. Never used in production."""
