//! Starts the speaker.

fn main() {}
