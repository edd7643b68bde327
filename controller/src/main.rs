//! Starts the controller.

fn main() {}
