//! Small rings on a network without delay, in steps of a millisecond.

mod blocked;
mod damping;
mod fencing;
mod network;
mod starting;
mod trust;
mod verdicts;
