//! The ConfigMap that keeps speakers from announcing on interfaces of containers and virtual machines.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use crate::labels;

/// Name of the ConfigMap, and of the volume it is mounted by.
pub const EXCLUDED_INTERFACES: &str = "metallb-excludel2";

/// Annotation of the speakers' pods: the patterns the user gives. Speakers read them when they start, so other patterns
/// make other pods.
pub(crate) const EXCLUDED_ANNOTATION: &str = "metallb.io/excluded-interfaces";

const FILE: &str = "excludel2.yaml";

/// Patterns of interface names that never lead to clients.
const PATTERNS: [&str; 14] = [
    "^docker.*",
    "^cbr.*",
    "^dummy.*",
    "^virbr.*",
    "^lxcbr.*",
    "^veth.*",
    "^lo$",
    "^cali.*",
    "^tunl.*",
    "^flannel.*",
    "^kube-ipvs.*",
    "^cni.*",
    "^nodelocaldns.*",
    "^lxc.*",
];

pub(crate) fn excluded_interfaces(namespace: &str, patterns: Option<&[String]>) -> ConfigMap {
    let lines: String = match patterns {
        // Quoted as JSON, which is YAML, whatever stands in it.
        Some(patterns) => patterns.iter().map(|pattern| format!("- {}\n", json!(pattern))).collect(),
        None => PATTERNS.iter().map(|pattern| format!("- {pattern}\n")).collect(),
    };
    let lines = if lines.is_empty() { "  []\n".to_owned() } else { lines };
    let document = format!("announcedInterfacesToExclude:\n{lines}");
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(EXCLUDED_INTERFACES.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(labels::common()),
            ..ObjectMeta::default()
        },
        data: Some([(FILE.to_owned(), document)].into()),
        ..ConfigMap::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_given_is_a_list_of_texts() {
        for patterns in [&[][..], &["^eth9$", "a: \"b\"", "- x", "#"]] {
            let given: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
            let data = excluded_interfaces("ns", Some(&given)).data.unwrap();
            let read: serde_json::Value = serde_saphyr::from_str(&data["excludel2.yaml"]).unwrap();
            assert_eq!(read, json!({"announcedInterfacesToExclude": given}));
        }
    }
}
