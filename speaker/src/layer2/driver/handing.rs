//! Addresses that move to another node by plan: answered for until their heir is heard.

use std::net::IpAddr;
use std::time::Duration;

use super::Driver;

/// What others take longer to know of a goodbye than of a change in the cluster.
const GOODBYE_TRAVELS: Duration = Duration::from_millis(500);

impl Driver {
    pub(super) fn hand_over(&mut self, address: IpAddr) {
        self.fall_silent(address);
        self.hand_overs.begin(self.now(), address, self.longest_hand_over);
    }

    pub(super) fn hand_over_all(&mut self) {
        let longest = self.longest_hand_over + GOODBYE_TRAVELS;
        for address in self.table.addresses().collect::<Vec<_>>() {
            self.fall_silent(address);
            self.hand_overs.begin_leaving(self.now(), address, longest);
        }
    }

    pub(super) fn end_hand_overs(&mut self) {
        while let Some(address) = self.hand_overs.poll(self.now()) {
            tracing::debug!(ip = %address, "handed over, answering no more");
            self.withdraw(address);
        }
    }
}
