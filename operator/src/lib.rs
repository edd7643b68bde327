//! The operator: turns a MetalLB resource into running workloads.
