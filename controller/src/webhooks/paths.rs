//! What is served where. The paths are part of the original's manifests.

use metallb_config::Kind;
use metallb_webhook::Route;

const CONVERT: &str = "/convert";

/// What comes in at a path.
#[derive(Debug)]
pub(super) struct Reviewed {
    path: &'static str,
    /// Group and version of the objects.
    pub(super) api_version: &'static str,
    /// Kind of the objects.
    pub(super) kind: Kind,
}

const V1BETA1: &str = "metallb.io/v1beta1";

const REVIEWED: &[Reviewed] = &[
    reviewed("/validate-metallb-io-v1beta2-bgppeer", "metallb.io/v1beta2", Kind::BGPPeer),
    reviewed("/validate-metallb-io-v1beta1-bfdprofile", V1BETA1, Kind::BFDProfile),
    reviewed("/validate-metallb-io-v1beta1-bgpadvertisement", V1BETA1, Kind::BGPAdvertisement),
    reviewed("/validate-metallb-io-v1beta1-community", V1BETA1, Kind::Community),
    reviewed("/validate-metallb-io-v1beta1-ipaddresspool", V1BETA1, Kind::IPAddressPool),
    reviewed("/validate-metallb-io-v1beta1-l2advertisement", V1BETA1, Kind::L2Advertisement),
];

const fn reviewed(path: &'static str, api_version: &'static str, kind: Kind) -> Reviewed {
    Reviewed { path, api_version, kind }
}

pub(super) fn route(path: &str) -> Option<Route<&'static Reviewed>> {
    if path == CONVERT {
        return Some(Route::Conversion);
    }
    REVIEWED.iter().find(|reviewed| reviewed.path == path).map(Route::Admission)
}
