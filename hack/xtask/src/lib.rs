//! The project's own tools: images, generated manifests, and the checks that keep the layers apart.
//!
//! Must not know: clusters. Nothing here talks to one; what is written here others install.

mod command;
mod docs;
mod generated;
mod hygiene;
mod images;
mod layers;
mod manifests;
mod rust_source;
mod shell;
mod workspace;

pub use command::run;
