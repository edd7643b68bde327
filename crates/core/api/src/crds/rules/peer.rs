//! Rules of a `BGPPeer`, in both versions.
//!
//! v1beta1 demands an AS number and an address and shows 0 and nothing where a peer has none, so only v1beta2 can tell
//! whether one is missing.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;

use super::durations::DURATION;
use super::{Rules, at, rule, saying, together};

const OLD: (&str, &str) = ("bgppeers", "v1beta1");
const NEW: (&str, &str) = ("bgppeers", "v1beta2");

/// What an address can look like. The parser knows exactly; this finds names, prefixes and slips of the pen.
const ADDRESS: &str = "^[0-9]{1,3}([.][0-9]{1,3}){3}$|^[0-9a-fA-F:]*:[0-9a-fA-F:.]*$";

pub(super) fn rules() -> Vec<Rules> {
    let mut rules: Vec<Rules> = [OLD, NEW].into_iter().flat_map(both).collect();
    rules.push(at(NEW, "spec", choices()));
    rules
}

fn both(version: (&'static str, &'static str)) -> [Rules; 7] {
    [
        at(version, "spec", [multi_hop(), keepalive()]),
        at(version, "spec.myASN", [rule("self != 0", "missing local ASN")]),
        at(version, "spec.holdTime", [hold()]),
        at(version, "spec.keepaliveTime", [duration()]),
        at(version, "spec.peerAddress", [address("invalid BGPPeer address")]),
        at(version, "spec.sourceAddress", [address("invalid source IP")]),
        at(version, "spec.routerID", [address("invalid router ID")]),
    ]
}

fn choices() -> Vec<ValidationRule> {
    let asn = "(has(self.peerASN) && self.peerASN != 0)";
    let secret =
        "(has(self.passwordSecret) && has(self.passwordSecret.name) && self.passwordSecret.name != '')";
    let text = |field: &str| format!("(has(self.{field}) && self.{field} != '')");
    let (dynamic, address, interface, password) =
        (&text("dynamicASN"), &text("peerAddress"), &text("interface"), &text("password"));
    let one = |a: &str, b: &str, none: &str| rule(format!("{a} || {b}"), none);
    let not_both = |a: &str, b: &str, both: &str| rule(format!("!({a} && {b})"), both);
    let asns = ["peerASN", "dynamicASN"];
    let addresses = ["peerAddress", "interface"];
    vec![
        together(&asns, one(asn, dynamic, "missing peer ASN and dynamicASN")),
        together(&asns, not_both(asn, dynamic, "both peer ASN and dynamicASN specified")),
        together(&addresses, one(address, interface, "peer has no Address or Interface specified")),
        together(&addresses, not_both(address, interface, "peer has both Address and Interface specified")),
        together(
            &["password", "passwordSecret"],
            not_both(password, secret, "can not have both password and secret ref set in peer config"),
        ),
    ]
}

fn multi_hop() -> ValidationRule {
    let ibgp =
        "has(self.ebgpMultiHop) && self.ebgpMultiHop && has(self.peerASN) && self.peerASN == self.myASN";
    let message = "invalid ebgp-multihop parameter set for an ibgp peer";
    together(&["ebgpMultiHop", "peerASN", "myASN"], rule(format!("!({ibgp})"), message))
}

/// Whole seconds count, so a part of one second is as good as 0.
fn hold() -> ValidationRule {
    let seconds = "duration(self).getSeconds()";
    let text = "invalid BGPPeer timers: invalid hold time";
    saying(
        format!(r#"'{text} "&Duration{{Duration:' + self + ',}}": must be 0 or >=3s'"#),
        rule(
            format!("self.matches('{DURATION}') && ({seconds} == 0 || {seconds} >= 3)"),
            &format!("{text}: must be 0 or >=3s"),
        ),
    )
}

fn duration() -> ValidationRule {
    rule(format!("self.matches('{DURATION}')"), "invalid BGPPeer timers: invalid keepaliveTime")
}

fn keepalive() -> ValidationRule {
    let (hold, keepalive) = ("self.holdTime", "self.keepaliveTime");
    let text = "invalid BGPPeer timers: invalid keepaliveTime";
    let given = format!("has({hold}) && has({keepalive})");
    let shown = format!(
        r#"'{text} "&Duration{{Duration:' + {keepalive} + ',}}", must be lower than holdTime "&Duration{{Duration:' + {hold} + ',}}"'"#
    );
    let in_order = format!("!({given}) || duration({keepalive}) <= duration({hold})");
    let message = format!("{text}, must be lower than holdTime");
    saying(shown, together(&["holdTime", "keepaliveTime"], rule(in_order, &message)))
}

fn address(text: &str) -> ValidationRule {
    saying(
        format!(r#"'{text} "' + self + '"'"#),
        rule(format!("self == '' || self.matches('{ADDRESS}')"), text),
    )
}
