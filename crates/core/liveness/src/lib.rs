//! Fast liveness: who of the members that speak it stands still, in a fraction of a second; a layer above memberlist,
//! which goes on deciding about everybody else.
