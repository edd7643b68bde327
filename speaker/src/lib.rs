//! The speaker: makes addresses reachable from its node.
