//! Talking to the cluster.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::address::{API_PORT, Place};
use crate::bed::Bed;
use crate::command::{Input, Output};
use crate::pki::ADMIN;

const DEADLINE: Duration = Duration::from_secs(60);

impl Bed {
    /// Runs kubectl as administrator. A failure is an error with all that was printed.
    pub fn kubectl(&self, args: &[&str]) -> Result<Output> {
        self.try_kubectl(args)?.success(&describe(args))
    }

    /// The same, but a failure is no error: look at the status.
    pub fn try_kubectl(&self, args: &[&str]) -> Result<Output> {
        self.kubectl_with(args, Input::Nothing, DEADLINE)
    }

    /// The same with another deadline than a minute.
    pub fn kubectl_within(&self, deadline: Duration, args: &[&str]) -> Result<Output> {
        self.kubectl_with(args, Input::Nothing, deadline)
    }

    /// `kubectl apply` of these objects, in YAML or JSON.
    pub fn apply(&self, objects: &str) -> Result<Output> {
        self.feed(&["apply", "--filename=-"], objects)
    }

    /// Runs kubectl with something to read.
    pub fn feed(&self, args: &[&str], input: &str) -> Result<Output> {
        self.kubectl_with(args, Input::Text(input.to_owned()), DEADLINE)?.success(&describe(args))
    }

    /// `kubectl get ARGS -o json`: one object, or a list of them under `items`.
    pub fn get_json(&self, args: &[&str]) -> Result<Value> {
        let mut all = vec!["get", "--output=json"];
        all.extend(args);
        serde_json::from_str(&self.kubectl(&all)?.stdout)
            .with_context(|| format!("{} is no JSON", describe(&all)))
    }

    fn kubectl_with(&self, args: &[&str], input: Input, deadline: Duration) -> Result<Output> {
        let program = self.kubectl_program().to_string_lossy();
        let config = format!("--kubeconfig={}", self.kubeconfig().display());
        let mut argv = vec![program.as_ref(), &config];
        argv.extend(args);
        self.run_with("cp", &argv, input, deadline)
    }

    /// The full kubectl command line, for those who run it themselves in `cp` or `client`.
    pub fn kubectl_command(&self) -> Vec<String> {
        vec![
            self.kubectl_program().to_string_lossy().into_owned(),
            format!("--kubeconfig={}", self.kubeconfig().display()),
        ]
    }

    /// GETs a path of the API server, as administrator. Much cheaper than kubectl.
    pub fn api_get(&self, path: &str) -> Result<String> {
        let pki = self.pki();
        let url = format!("https://{}:{API_PORT}{path}", Place::ControlPlane.v4());
        let (ca, certificate, key) = (pki.ca(), pki.certificate(ADMIN), pki.key(ADMIN));
        let (ca, certificate, key) =
            (ca.to_string_lossy(), certificate.to_string_lossy(), key.to_string_lossy());
        let argv = [
            "curl",
            "--silent",
            "--show-error",
            "--fail-with-body",
            "--max-time",
            "5",
            "--cacert",
            &ca,
            "--cert",
            &certificate,
            "--key",
            &key,
            &url,
        ];
        Ok(self.run("cp", &argv)?.stdout)
    }
}

fn describe(args: &[&str]) -> String {
    format!("kubectl {}", args.join(" "))
}
