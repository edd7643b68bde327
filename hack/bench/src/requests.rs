//! What the API server counted: the writes of everybody, by what was written.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use kube::Client;

/// Requests answered, by verb and resource (`PUT services/status`).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Requests(BTreeMap<String, u64>);

impl Requests {
    /// All since the API server started.
    pub(crate) async fn now(client: &Client) -> Result<Self> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let text = client.request_text(request).await.context("cannot read the API server's metrics")?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut counts = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
            let Some((verb, resource)) = label(line, "verb").zip(label(line, "resource")) else { continue };
            let subresource = label(line, "subresource").filter(|name| !name.is_empty());
            let slash = if subresource.is_some() { "/" } else { "" };
            let key = format!("{verb} {resource}{slash}{}", subresource.unwrap_or_default());
            let count = line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok());
            *counts.entry(key).or_default() += count.unwrap_or_default();
        }
        Self(counts)
    }

    /// Those that came since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let more = |(key, count): (&String, &u64)| {
            let before = earlier.0.get(key).copied().unwrap_or_default();
            (key.clone(), count.saturating_sub(before))
        };
        Self(self.0.iter().map(more).filter(|(_, count)| *count > 0).collect())
    }

    /// Writes to existing Services, their status included. Creating and deleting is the benchmark's own.
    pub(crate) fn service_writes(&self) -> u64 {
        self.writes_to(&["services", "services/status"], &["PUT", "PATCH", "APPLY"])
    }

    /// Writes to the status of pools.
    pub(crate) fn pool_writes(&self) -> u64 {
        self.writes_to(&["ipaddresspools/status"], &["PUT", "PATCH", "APPLY"])
    }

    /// Events written, new ones and repeats.
    pub(crate) fn events(&self) -> u64 {
        self.writes_to(&["events"], &["POST", "PUT", "PATCH"])
    }

    fn writes_to(&self, resources: &[&str], verbs: &[&str]) -> u64 {
        let counted = |key: &str| {
            key.split_once(' ').is_some_and(|(verb, to)| verbs.contains(&verb) && resources.contains(&to))
        };
        self.0.iter().filter(|(key, _)| counted(key)).map(|(_, count)| count).sum()
    }
}

fn label<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let from = line.find(&format!("{name}=\""))?;
    // `resource` is the end of `subresource`: what stands before a name is a comma or a brace.
    let from = match line.get(..from)?.chars().next_back() {
        Some(',' | '{') => from,
        _ => line.find(&format!(",{name}=\""))? + 1,
    };
    line.get(from..)?.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = r#"# TYPE apiserver_request_total counter
apiserver_request_total{code="200",group="",resource="services",scope="resource",subresource="status",verb="PUT",version="v1"} 12
apiserver_request_total{code="409",group="",resource="services",scope="resource",subresource="status",verb="PUT",version="v1"} 3
apiserver_request_total{code="201",group="",resource="services",scope="resource",subresource="",verb="POST",version="v1"} 9
apiserver_request_total{code="201",group="",subresource="",resource="events",scope="resource",verb="POST",version="v1"} 7
apiserver_request_total{code="200",group="metallb.io",resource="ipaddresspools",subresource="status",verb="APPLY"} 1
"#;

    #[test]
    fn writes_are_told_from_creations_whatever_they_came_to() {
        let requests = Requests::parse(METRICS);
        let counts = (requests.service_writes(), requests.events(), requests.pool_writes());
        assert_eq!(counts, (15, 7, 1));
    }

    #[test]
    fn only_what_came_since_counts() {
        let before = Requests::parse(METRICS);
        let after = Requests::parse(&METRICS.replace("} 12", "} 14"));
        assert_eq!(after.since(&before).service_writes(), 2);
        assert_eq!(after.since(&before).events(), 0);
    }
}
