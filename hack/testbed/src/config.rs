//! The configuration files of a node's daemons, as values.

use serde_json::{Value, json};

use crate::address::{POD_NETWORK_V4, POD_NETWORK_V6, Place};
use crate::images::PAUSE;
use crate::pki::{PROXY, Pki};

/// A node's folder for these files, on a file system of its own.
pub(crate) const FOLDER: &str = "/run/testbed";
/// Where kubelet finds containerd.
pub(crate) const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";

/// All files of a node: path and content. Kubernetes reads JSON wherever it reads YAML.
pub(crate) fn node_files(node: Place, pki: &Pki) -> Vec<(String, String)> {
    vec![
        (format!("{FOLDER}/containerd.toml"), containerd()),
        (format!("{FOLDER}/kubelet.json"), kubelet(node, pki).to_string()),
        (format!("{FOLDER}/kube-proxy.json"), kube_proxy(node, pki).to_string()),
        // No cluster DNS: an empty file makes look-ups in pods fail at once instead of hanging.
        (format!("{FOLDER}/resolv.conf"), String::new()),
        ("/etc/cni/net.d/10-testbed.conflist".to_owned(), pod_network(node).to_string()),
    ]
}

/// `restrict_oom_score_adj`: without CAP_SYS_RESOURCE runc can't lower the score and fails with a
/// message about a pipe.
fn containerd() -> String {
    format!(
        r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
"#
    )
}

/// The times decide how soon a dead node is noticed: see `node-monitor-grace-period` of the
/// controller manager, which they match.
fn kubelet(node: Place, pki: &Pki) -> Value {
    let name = node.to_string();
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": pki.ca()},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": format!("unix://{CONTAINERD_SOCKET}"),
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": false,
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        // The host's memory and disk are not the cluster's to manage; a full disk must not delete our images.
        "evictionHard": {
            "memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
            "imagefs.available": "0%", "imagefs.inodesFree": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "resolvConf": format!("{FOLDER}/resolv.conf"),
        "nodeStatusUpdateFrequency": "1s",
        "nodeLeaseDurationSeconds": 4,
        "tlsCertFile": pki.certificate(&name),
        "tlsPrivateKeyFile": pki.key(&name),
        "serializeImagePulls": false,
        "maxPods": 60,
        // Bounds how late the edit of a ConfigMap reaches a pod.
        "syncFrequency": "10s",
    })
}

/// Connection tracking is left alone: its settings are not all writable outside the first network namespace.
fn kube_proxy(node: Place, pki: &Pki) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": pki.kubeconfig(PROXY)},
        "clusterCIDR": format!("{POD_NETWORK_V4},{POD_NETWORK_V6}"),
        "hostnameOverride": node.to_string(),
        "conntrack": {
            "maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s",
            "udpTimeout": "0s", "udpStreamTimeout": "0s",
        },
        "nftables": {"syncPeriod": "10s", "minSyncPeriod": "100ms"},
        "healthzBindAddress": "0.0.0.0:10256",
    })
}

/// Addresses are booked below `/run`, so that a reboot frees them.
fn pod_network(node: Place) -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "testbed",
        "plugins": [
            {
                "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": false,
                "mtu": 1500,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/run/cni-ipam",
                    "ranges": [[{"subnet": node.pods_v4()}], [{"subnet": node.pods_v6()}]],
                    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true},
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> String {
        let files = node_files(Place::Node(2), &Pki::in_folder("/state/pki".into()));
        files.into_iter().find(|(path, _)| path.ends_with(name)).unwrap().1
    }

    fn json(name: &str) -> Value {
        serde_json::from_str(&file(name)).unwrap()
    }

    #[test]
    fn kubelet_uses_its_own_certificate_and_the_beds_authority() {
        let config = json("kubelet.json");
        assert_eq!(config["tlsCertFile"], "/state/pki/n2.crt");
        assert_eq!(config["authentication"]["x509"]["clientCAFile"], "/state/pki/ca.crt");
    }

    #[test]
    fn pods_get_one_address_of_each_family_from_their_node() {
        let ranges = &json("10-testbed.conflist")["plugins"][0]["ipam"]["ranges"];
        assert_eq!(*ranges, json!([[{"subnet": "10.244.2.0/24"}], [{"subnet": "fd00:10:244:2::/64"}]]));
    }

    #[test]
    fn kube_proxy_answers_for_its_node() {
        assert_eq!(json("kube-proxy.json")["hostnameOverride"], "n2");
    }

    #[test]
    fn containerd_runs_without_the_right_to_lower_oom_scores() {
        let config = file("containerd.toml");
        assert!(config.contains("restrict_oom_score_adj = true"), "{config}");
        assert!(config.contains("sandbox_image = \"testbed.local/pause:1\""), "{config}");
    }
}
