//! What an error means for the next pass.

use kube::Error;
use kube::core::Status;

/// When to try again. The later one is the more pressing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Disposition {
    /// A mistake in this program: trying again gives the same.
    Bug,
    /// Somebody must change something first; that change is what wakes us.
    Invalid,
    /// The API server won't have it. The cause may lie outside of what wakes us: try again now and then.
    Refused,
    /// Try again, ever more slowly.
    Transient,
    /// Somebody was quicker: look again at once.
    Conflict,
    /// The API server is out of reach, or shut to us: try again, ever more slowly, and say that we can't work.
    CutOff,
}

impl Disposition {
    /// What the API server's answer, or its silence, means.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Api(status) => match status.code {
                401 => Self::CutOff,
                409 => Self::Conflict,
                // By the rules of the kind, for lack of rights, or by an admission plugin.
                400 | 403 | 422 => Self::Refused,
                // Not found too: CRDs and namespaces may be on their way.
                _ => Self::Transient,
            },
            error if is_out_of_reach(error) => Self::CutOff,
            _ => Self::Transient,
        }
    }
}

/// Whether nobody answered: then asking something else makes no sense.
pub(crate) fn is_out_of_reach(error: &Error) -> bool {
    // What can't be read is an answer, too.
    !matches!(error, Error::Api(_) | Error::SerdeError(_))
}

/// The API server's answer in one line, without the debris of the client.
#[must_use]
pub fn explain(error: &Error) -> String {
    match error {
        Error::Api(status) if is_unknown_kind(error) => {
            format!("the API server does not know this kind: is its CRD installed? ({})", status.code)
        }
        Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => metallb_telemetry::logs::chain(other),
    }
}

/// Whether the API server serves nothing at this place, as opposed to an object it does not have.
fn is_unknown_kind(error: &Error) -> bool {
    let says = |status: &Status| {
        ["could not find the requested resource", "404 page not found"]
            .iter()
            .any(|text| status.message.contains(text))
    };
    matches!(error, Error::Api(status) if status.code == 404 && says(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_classed_by_what_helps_against_them() {
        for (code, disposition) in [
            (401, Disposition::CutOff),
            (409, Disposition::Conflict),
            (400, Disposition::Refused),
            (403, Disposition::Refused),
            (422, Disposition::Refused),
            (404, Disposition::Transient),
            (429, Disposition::Transient),
            (500, Disposition::Transient),
            (503, Disposition::Transient),
        ] {
            let error = Error::Api(Box::new(Status::failure("no", "No").with_code(code)));
            assert_eq!(Disposition::of(&error), disposition, "{code}");
            assert_eq!(explain(&error), format!("no ({code})"));
        }
        let unknown = Status::failure("404 page not found\n", "Failed to parse error data").with_code(404);
        let told = "the API server does not know this kind: is its CRD installed? (404)";
        assert_eq!(explain(&Error::Api(Box::new(unknown))), told);
        assert_eq!(Disposition::of(&Error::LinesCodecMaxLineLengthExceeded), Disposition::CutOff);
    }
}
