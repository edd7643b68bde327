//! The wire from outside: against memberlist's own bytes, there and back, damaged, forged and oversized.

mod golden;
mod messages;
mod msgpack;
mod packets;
mod streams;
