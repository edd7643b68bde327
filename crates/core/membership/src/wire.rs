//! The packets and streams members exchange.

pub mod message;
