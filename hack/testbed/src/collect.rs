//! Gathering what tells why something failed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::address::Place;
use crate::bed::Bed;
use crate::command::Input;

/// Each question may take this long: what does not answer is part of the picture.
const DEADLINE: Duration = Duration::from_secs(15);

/// Questions to each machine: file and command.
const NETWORK: [(&str, &[&str]); 6] = [
    ("addresses", &["ip", "-details", "address"]),
    ("neighbours", &["ip", "neighbour"]),
    ("routes-v4", &["ip", "-4", "route", "show", "table", "all"]),
    ("routes-v6", &["ip", "-6", "route", "show", "table", "all"]),
    ("packet-filter", &["nft", "list", "ruleset"]),
    ("processes", &["ps", "-e", "-o", "pid,ppid,stat,start_time,args"]),
];

/// Questions to the cluster: file and kubectl arguments.
const CLUSTER: [(&str, &[&str]); 4] = [
    ("events", &["get", "events", "--all-namespaces", "--sort-by=.lastTimestamp", "--output=wide"]),
    ("pods", &["get", "pods", "--all-namespaces", "--output=wide"]),
    ("nodes", &["describe", "nodes"]),
    ("services", &["describe", "services", "--all-namespaces"]),
];

impl Bed {
    /// Writes logs of daemons and pods, events, all objects, addresses, neighbours, routes and packet
    /// filters of all machines into `folder`. What can't be had is noted there, in `errors`; it does
    /// not stop the rest.
    pub fn collect(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut errors = Vec::new();
        let status: Vec<_> = self.status().iter().map(ToString::to_string).collect();
        fs::write(folder.join("status"), status.join("\n") + "\n")?;
        for place in self.places() {
            self.collect_machine(place, &folder.join(place.to_string()), &mut errors)?;
        }
        self.collect_cluster(folder, &mut errors)?;
        fs::write(folder.join("errors"), errors.join("\n"))?;
        Ok(())
    }

    /// Logs are read from outside: a dead or frozen node has them, too.
    fn collect_machine(&self, place: Place, folder: &Path, errors: &mut Vec<String>) -> Result<()> {
        fs::create_dir_all(folder)?;
        let machine = self.machine(place);
        for logs in ["/var/log/testbed", "/var/log/pods"] {
            let to = folder.join(if logs.ends_with("pods") { "pods" } else { "daemons" });
            note(copy_files(&machine.kept(logs), &to), errors);
        }
        note(copy_files(&machine.folder.join("init.log"), &folder.join("init.log")), errors);
        for (file, argv) in NETWORK {
            let output = self.run_within(DEADLINE, &place.to_string(), argv);
            if let Some(output) = note(output, errors) {
                fs::write(folder.join(file), output.stdout + &output.stderr)?;
            }
        }
        Ok(())
    }

    fn collect_cluster(&self, folder: &Path, errors: &mut Vec<String>) -> Result<()> {
        for (file, args) in CLUSTER {
            if let Some(output) = note(self.kubectl_within(DEADLINE, args), errors) {
                fs::write(folder.join(file), output.stdout + &output.stderr)?;
            }
        }
        if let Some(kinds) = note(self.all_kinds(), errors) {
            let args = ["get", &kinds, "--all-namespaces", "--output=yaml", "--show-managed-fields=true"];
            if let Some(output) = note(self.kubectl_within(DEADLINE * 4, &args), errors) {
                fs::write(folder.join("objects.yaml"), output.stdout + &output.stderr)?;
            }
        }
        Ok(())
    }

    /// Every kind that can be listed, custom ones too.
    fn all_kinds(&self) -> Result<String> {
        let list = ["api-resources", "--verbs=list", "--output=name"];
        let output = self.run_kubectl_lenient(&list)?;
        // Events have a file of their own.
        let kinds = output.lines().filter(|kind| !kind.starts_with("events"));
        Ok(kinds.collect::<Vec<_>>().join(","))
    }

    /// api-resources fails as a whole when one aggregated API is away, but prints the rest.
    fn run_kubectl_lenient(&self, args: &[&str]) -> Result<String> {
        let mut argv = self.kubectl_command();
        argv.extend(args.iter().map(|arg| (*arg).to_owned()));
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        Ok(self.run_with("cp", &argv, Input::Nothing, DEADLINE)?.stdout)
    }
}

fn note<T>(result: Result<T>, errors: &mut Vec<String>) -> Option<T> {
    result.map_err(|error| errors.push(format!("{error:#}"))).ok()
}

/// Copies a file, or a folder with all below it; what a link points at is not followed.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    let Ok(kind) = fs::symlink_metadata(from) else { return Ok(()) };
    if kind.is_dir() {
        fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_files(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if kind.is_file() {
        fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(())
}
