//! An HTTPS server for the admission and conversion reviews of an API server, and the certificates it serves with.
//!
//! Must not know: which objects are good. Whoever starts it brings the answers ([`Reviewer`]).

mod admission;
mod certificates;
mod conversion;
mod envelope;
mod server;

pub use admission::{AdmissionRequest, Denial, Operation, Verdict, decode_admission};
pub use certificates::{Presenter, Rotation, RotationSettings, Target, follow_files};
pub use conversion::{ConversionRequest, decode_conversion};
pub use envelope::BadRequest;
pub use server::{Limits, Reviewer, Route, Server};
