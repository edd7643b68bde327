//! Macro benchmarks against a real API server, beside a bare client that only writes.
