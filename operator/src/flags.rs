//! The command line, as manifests of today's users have it.

use std::path::PathBuf;

use clap::{ArgAction, Parser};
use metallb_process::go_bool;

/// Turns the MetalLB resource into running workloads.
#[derive(Clone, Debug, Eq, Parser, PartialEq)]
#[command(name = "operator", version, args_override_self = true, disable_help_subcommand = true)]
pub struct Flags {
    /// Address the metrics are served on, over HTTPS and to those who may get /metrics; 0 serves none.
    #[arg(long, default_value = "0")]
    pub metrics_addr: String,
    /// Work only while holding the Lease metallb.io.metallboperator, so that several replicas don't get in each other's way.
    #[arg(long, value_parser = go_bool, default_value = "false", default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    pub enable_leader_election: bool,
    /// Leave the webhook's certificate to others, who put it into --cert-dir.
    #[arg(long, value_parser = go_bool, default_value = "false", default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    pub disable_cert_rotation: bool,
    /// Folder of the webhook's certificate, with --disable-cert-rotation.
    #[arg(long, default_value = "/tmp/k8s-webhook-server/serving-certs")]
    pub cert_dir: PathBuf,
    /// Service of the webhook, whose name its certificate bears.
    #[arg(long, default_value = "metallb-operator-webhook-service")]
    pub cert_service_name: String,
    /// Port of the probes.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Serve the webhook over HTTP/2 as well.
    #[arg(long, value_parser = go_bool, default_value = "false", default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    pub webhook_http2: bool,
    /// Restart the operands' webhook server at start. Accepted: there is none.
    #[arg(long, value_parser = go_bool, default_value = "false", default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    pub external_metallb_webhook_server: bool,
    /// The API server to use instead of that of the pod.
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn parse(args: &[&str]) -> Result<Flags, clap::Error> {
        let args = ["operator"].iter().chain(args).map(OsString::from);
        Flags::try_parse_from(metallb_process::go_style(args))
    }

    #[test]
    fn without_flags_the_documented_defaults_hold() {
        let flags = parse(&[]).unwrap();
        assert_eq!((flags.port, flags.metrics_addr.as_str()), (8080, "0"));
        assert_eq!(flags.cert_dir, PathBuf::from("/tmp/k8s-webhook-server/serving-certs"));
        assert_eq!(flags.cert_service_name, "metallb-operator-webhook-service");
        assert!(!flags.enable_leader_election && !flags.disable_cert_rotation);
        assert!(!flags.webhook_http2 && !flags.external_metallb_webhook_server);
    }

    #[test]
    fn every_documented_flag_is_accepted_with_one_dash_or_two() {
        let flags = parse(&[
            "-metrics-addr=:8443",
            "--enable-leader-election",
            "-disable-cert-rotation=true",
            "--cert-dir=/certs",
            "--cert-service-name=other",
            "-port=9090",
            "--webhook-http2=false",
            "--external-metallb-webhook-server",
            "--kubeconfig=/kubeconfig",
        ])
        .unwrap();
        assert_eq!((flags.port, flags.kubeconfig), (9090, Some(PathBuf::from("/kubeconfig"))));
        assert!(flags.enable_leader_election && flags.disable_cert_rotation && !flags.webhook_http2);
    }

    /// As Go's flags: any spelling of a boolean, a value as the next argument, and of several the last one.
    #[test]
    fn flags_are_given_as_to_a_go_program() {
        for flag in [
            "enable-leader-election",
            "disable-cert-rotation",
            "webhook-http2",
            "external-metallb-webhook-server",
        ] {
            let is_on = |value: &str| {
                let flags =
                    parse(&[&format!("-{flag}"), &format!("-{flag}={value}"), "-port", "9090"]).unwrap();
                assert_eq!(flags.port, 9090);
                [
                    flags.enable_leader_election,
                    flags.disable_cert_rotation,
                    flags.webhook_http2,
                    flags.external_metallb_webhook_server,
                ]
                .contains(&true)
            };
            assert!(["1", "t", "T", "true", "TRUE", "True"].into_iter().all(is_on), "{flag}");
            assert!(!["0", "f", "F", "false", "FALSE", "False"].into_iter().any(is_on), "{flag}");
            assert!(parse(&[&format!("--{flag}=yes")]).is_err(), "{flag}");
        }
    }

    #[test]
    fn an_unknown_flag_is_an_error_of_usage() {
        assert_eq!(parse(&["--unknown"]).unwrap_err().exit_code(), 2);
    }
}
