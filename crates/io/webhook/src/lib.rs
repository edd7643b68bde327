//! An HTTPS server for the admission and conversion reviews of an API server, and the certificates it serves with.
//!
//! Must not know: which objects are good. Whoever starts it brings the answers.
