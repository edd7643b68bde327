//! The `ConfigMap` that configured MetalLB before there were custom resources, as custom resources.
//!
//! Must not know: files, clusters, or command lines.
