//! Which versions go together.

use crate::wire::message::Versions;

/// Whether such a member can be: it knows at least one version, as all have since 2014.
pub(super) fn are_possible(versions: Versions) -> bool {
    let Versions([oldest, newest, ..]) = versions;
    oldest > 0 && oldest <= newest
}

/// Whether each understands what the other speaks, of the protocol and of the application's part.
pub(super) fn understand_each_other(a: Versions, b: Versions) -> bool {
    let Versions([oldest_a, newest_a, spoken_a, app_oldest_a, app_newest_a, app_spoken_a]) = a;
    let Versions([oldest_b, newest_b, spoken_b, app_oldest_b, app_newest_b, app_spoken_b]) = b;
    (oldest_a..=newest_a).contains(&spoken_b)
        && (oldest_b..=newest_b).contains(&spoken_a)
        && (app_oldest_a..=app_newest_a).contains(&app_spoken_b)
        && (app_oldest_b..=app_newest_b).contains(&app_spoken_a)
}
