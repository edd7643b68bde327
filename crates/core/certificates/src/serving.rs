//! Which of two certificates a replica presents.

/// Whether a replica changes to the certificate that its Secret offers. `presented_trusted` says whether the one it
/// presents, if any, is valid and every API server is told to trust it; `offered_settled` says that of the one offered,
/// and that they were told [`Policy::settle`](crate::Policy::settle) ago.
///
/// A replica that presents something trusted waits for the API servers to learn the new authority; one whose
/// certificate nobody trusts has nothing to lose.
#[must_use]
pub fn takes_over(presented_trusted: Option<bool>, offered_settled: bool) -> bool {
    offered_settled || presented_trusted != Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trusted_certificate_is_given_up_for_a_trusted_one_only() {
        for (presented, offered, expected) in [
            (None, false, true),
            (None, true, true),
            (Some(true), false, false),
            (Some(true), true, true),
            (Some(false), false, true),
            (Some(false), true, true),
        ] {
            assert_eq!(takes_over(presented, offered), expected, "{presented:?} {offered}");
        }
    }
}
