//! The tests of [`Tally`]: the harness of these files runs no others.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::tally::{Knock, Tally};

/// At which door a knock was made; when it was made and its answer came, in milliseconds.
type Made = (u16, u64, Option<u64>);

/// How many knocks are lost, and the longest wait.
type Row<'a> = (&'a [Made], usize, u64);

pub(crate) fn waits_are_told_right() -> Result<()> {
    let start = Instant::now();
    let table: [Row<'_>; 8] = [
        (&[(1, 0, Some(2)), (1, 20, Some(21))], 0, 2),
        // Lost, and the next one is answered.
        (&[(1, 0, Some(1)), (1, 20, None), (1, 40, Some(42)), (1, 60, Some(61))], 1, 22),
        // Late, while a later one was answered before.
        (&[(1, 0, Some(1)), (1, 20, Some(500)), (1, 40, Some(41))], 0, 21),
        // All late: the first answer ends the wait, also of those before.
        (&[(1, 0, Some(300)), (1, 20, Some(301)), (1, 40, Some(302))], 0, 300),
        // Nobody answers until the end. A pause of the one who knocks is no wait.
        (&[(1, 0, Some(1)), (1, 700, None), (1, 720, None)], 2, 300),
        (&[(1, 0, Some(1)), (1, 900, Some(901))], 0, 1),
        // That another door is answered ends no wait at this one.
        (&[(1, 0, Some(1)), (2, 20, None), (1, 40, Some(41)), (2, 60, Some(62))], 1, 42),
        (&[(2, 0, Some(1)), (2, 20, None), (1, 40, Some(41)), (1, 60, Some(61))], 1, 980),
    ];
    for (knocks, lost, longest) in table {
        let tally = tally(start, knocks);
        let found = (tally.lost().len(), tally.longest_wait());
        let due = (lost, Duration::from_millis(longest));
        ensure!(found == due, "{knocks:?}: {found:?} instead of {due:?}");
    }
    Ok(())
}

/// Of knocks in the second that begins at this moment.
fn tally(start: Instant, knocks: &[Made]) -> Tally {
    let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
    let knock = |&(port, made, answered): &Made| Knock {
        door: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        at: at(made),
        outcome: answered.map(|answered| at(answered) - at(made)).ok_or(ErrorKind::TimedOut),
    };
    Tally { knocks: knocks.iter().map(knock).collect(), end: at(1000) }
}
