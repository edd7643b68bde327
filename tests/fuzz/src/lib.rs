//! Every parser of text and bytes that comes from outside, as functions that must never panic.
//!
//! `cargo fuzz` drives them on nightly, proptest on stable.
