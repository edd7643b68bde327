//! Rings over real sockets on the loopback interface: of ours, and of ours with HashiCorp's memberlist, which the
//! original speaker uses (contract 02 §1.3).

#[cfg(test)]
mod blocked;
#[cfg(test)]
mod heartbeats;
#[cfg(test)]
mod icmp;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod mixed;
#[cfg(test)]
mod ours;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod starting;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod subnets;
