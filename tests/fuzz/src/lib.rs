//! Every parser of text and bytes that comes from outside, as functions that must never panic.
//!
//! `cargo fuzz` drives them on nightly (`make soak`), proptest on stable (`make test`). Where somebody else can
//! read the same input, or the result can be written and read again, that is compared as well.

mod admission;
mod arp;
mod binary;
mod communities;
mod conversion;
mod durations;
mod exclusion;
mod heartbeats;
mod holders;
mod legacy;
mod links;
mod members;
mod moments;
mod ndp;
mod packets;
mod ranges;
mod selectors;
mod services;
mod settings;
mod snapshots;
mod streams;
mod text;

pub use admission::admission;
pub use arp::arp;
pub use communities::communities;
pub use conversion::conversion;
pub use durations::durations;
pub use exclusion::exclusion;
pub use heartbeats::heartbeats;
pub use holders::holders;
pub use legacy::legacy;
pub use links::links;
pub use moments::moments;
pub use ndp::ndp;
pub use packets::packets;
pub use ranges::ranges;
pub use selectors::selectors;
pub use services::services;
pub use settings::settings;
pub use snapshots::snapshots;
pub use streams::streams;

/// One fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called, here and in `tests/fuzz/targets`.
    pub name: &'static str,
    /// Feeds some input to a parser; panics if the outcome is wrong.
    pub run: fn(&[u8]),
    /// Inputs to begin with: parts of what the parser takes, and whole ones.
    pub seeds: &'static [&'static str],
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "admission", run: admission, seeds: admission::SEEDS },
    Target { name: "arp", run: arp, seeds: arp::SEEDS },
    Target { name: "communities", run: communities, seeds: communities::SEEDS },
    Target { name: "conversion", run: conversion, seeds: conversion::SEEDS },
    Target { name: "durations", run: durations, seeds: durations::SEEDS },
    Target { name: "exclusion", run: exclusion, seeds: exclusion::SEEDS },
    Target { name: "heartbeats", run: heartbeats, seeds: heartbeats::SEEDS },
    Target { name: "holders", run: holders, seeds: holders::SEEDS },
    Target { name: "legacy", run: legacy, seeds: legacy::SEEDS },
    Target { name: "links", run: links, seeds: links::SEEDS },
    Target { name: "moments", run: moments, seeds: moments::SEEDS },
    Target { name: "ndp", run: ndp, seeds: ndp::SEEDS },
    Target { name: "packets", run: packets, seeds: packets::SEEDS },
    Target { name: "ranges", run: ranges, seeds: ranges::SEEDS },
    Target { name: "selectors", run: selectors, seeds: selectors::SEEDS },
    Target { name: "services", run: services, seeds: services::SEEDS },
    Target { name: "settings", run: settings, seeds: settings::SEEDS },
    Target { name: "snapshots", run: snapshots, seeds: snapshots::SEEDS },
    Target { name: "streams", run: streams, seeds: streams::SEEDS },
];
