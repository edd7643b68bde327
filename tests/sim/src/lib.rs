//! Simulations that cross crates: many seeds, virtual time, invariants.
