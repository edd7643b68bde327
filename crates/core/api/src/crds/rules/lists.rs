//! Rules of pools, advertisements and communities, and how the entries of a list are looked at.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;

use super::{Rules, at, rule, saying};

const POOLS: (&str, &str) = ("ipaddresspools", "v1beta1");
const L2: (&str, &str) = ("l2advertisements", "v1beta1");
const BGP: (&str, &str) = ("bgpadvertisements", "v1beta1");
const COMMUNITIES: (&str, &str) = ("communities", "v1beta1");

/// As many entries of a list are looked at.
const LOOKED_AT: usize = 32;
/// No object of Kubernetes has a longer name, and no range or community is longer unless padded with blanks.
const LONGEST: i64 = 253;

/// What an entry of a pool can look like: prefix or range, both families. Around the ends of a range there may be any
/// blanks of Unicode, a line feed of YAML for instance.
const ENTRY: &str = r"^[0-9a-fA-F:.]+/[0-9]+$|^BLANK*[0-9a-fA-F:.]+BLANK*-BLANK*[0-9a-fA-F:.]+BLANK*$";
pub(super) const BLANK: &str = r"[\s\v\x{85}\p{Z}]";

pub(super) fn rules() -> Vec<Rules> {
    let mut rules = vec![
        at(POOLS, "spec.addresses", [rule("size(self) > 0", "pool has no prefixes defined"), entries()]),
        short(POOLS, "spec.addresses.*"),
        at(
            POOLS,
            "spec.serviceAllocation.namespaces",
            [rule(none(&repeated(None)), "duplicate definition in namespaces field")],
        ),
        short(POOLS, "spec.serviceAllocation.namespaces.*"),
        at(BGP, "spec.aggregationLength", [aggregation("self <= 32", "IPv4")]),
        at(BGP, "spec.aggregationLengthV6", [aggregation("self >= 0 && self <= 128", "IPv6")]),
        at(BGP, "spec.localPref", [rule("self >= 0", "local preference must be from 0 to 4294967295")]),
        at(COMMUNITIES, "spec.communities", communities()),
        short(COMMUNITIES, "spec.communities.*.name"),
        short(COMMUNITIES, "spec.communities.*.value"),
    ];
    let lists = [
        (L2, ["spec.ipAddressPools", "spec.ipAddressPools.*"], "ipAddressPools"),
        (BGP, ["spec.ipAddressPools", "spec.ipAddressPools.*"], "ipAddressPools"),
        (BGP, ["spec.peers", "spec.peers.*"], "peers"),
        (BGP, ["spec.communities", "spec.communities.*"], "community"),
    ];
    for (kind, [list, entry], what) in lists {
        let message = [format!("duplicate definition of {what} "), String::new()];
        rules.push(at(kind, list, [naming(None, message, &repeated(None))]));
        rules.push(short(kind, entry));
    }
    rules
}

/// Limits the strings here, so that the API server can tell how long a rule on them takes.
pub(super) fn short(kind: (&'static str, &'static str), place: &'static str) -> Rules {
    Rules { max_length: Some(LONGEST), ..at(kind, place, []) }
}

fn aggregation(holds: &str, family: &str) -> ValidationRule {
    rule(holds, &format!("invalid aggregation length for {family}"))
}

fn entries() -> ValidationRule {
    let entry = ENTRY.replace("BLANK", BLANK);
    naming(None, ["invalid CIDR ".to_owned(), String::new()], &format!("!self[i].matches(r'{entry}')"))
}

fn communities() -> [ValidationRule; 3] {
    let fits = |pattern: &str| format!("has(self[i].value) && self[i].value.matches('{pattern}')");
    let format = format!("({})", fits("^[^:]*:[^:]*$|^([^:]*:){3}[^:]*$"));
    let numbers = format!("({})", fits("^[0-9]+:[0-9]+$|^large(:[0-9]+){3}$"));
    let value = format!("!{format} || {numbers}");
    let name = Some("name");
    let message = |what: &str| ["parsing community ".to_owned(), format!(": {what}")];
    [
        naming(name, ["duplicate definition of community ".to_owned(), String::new()], &repeated(name)),
        naming(name, message("invalid community format"), &format!("!{format}")),
        naming(name, message("invalid community value"), &format!("!({value})")),
    ]
}

/// The first indexes, as a list: the API server knows how long that takes, whatever the length of `self`.
fn indexes() -> String {
    let indexes: Vec<String> = (0..LOOKED_AT).map(|i| i.to_string()).collect();
    format!("[{}]", indexes.join(","))
}

/// No entry `self[i]` offends.
pub(super) fn none(offends: &str) -> String {
    format!("!{}.exists(i, i < self.size() && {offends})", indexes())
}

/// The first entry that offends.
pub(super) fn first(offends: &str) -> String {
    format!("self[{}.filter(i, i < self.size() && {offends})[0]]", indexes())
}

/// An entry before `self[i]` equals it, told by the field if one is named.
fn repeated(field: Option<&str>) -> String {
    let equal = field.map_or_else(
        || "self[j] == self[i]".to_owned(),
        |field| format!("has(self[j].{field}) && has(self[i].{field}) && self[j].{field} == self[i].{field}"),
    );
    format!("{}.exists(j, j < i && {equal})", indexes())
}

/// No entry may offend; the message names the first that does.
fn naming(field: Option<&str>, [before, after]: [String; 2], offends: &str) -> ValidationRule {
    let first = first(offends);
    let shown = field.map_or_else(|| first.clone(), |field| format!("{first}.{field}"));
    let plain = format!("{}{after}", before.trim_end());
    saying(format!(r#"'{before}"' + {shown} + '"{after}'"#), rule(none(offends), &plain))
}
