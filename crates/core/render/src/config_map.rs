//! The ConfigMap that keeps speakers from announcing on interfaces of containers and virtual machines.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::labels;

/// Its name, and that of the volume it is mounted by.
pub(crate) const EXCLUDED_INTERFACES: &str = "metallb-excludel2";

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

pub(crate) fn excluded_interfaces(namespace: &str) -> ConfigMap {
    let lines: String = PATTERNS.iter().map(|pattern| format!("- {pattern}\n")).collect();
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
