//! The parts of a request's address.

/// What a path of the API names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Target {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) resource: String,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) subresource: Option<String>,
}

impl Target {
    /// Takes apart `/api/v1/…` and `/apis/<group>/<version>/…`.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        let group = match segments.next()? {
            "api" => String::new(),
            "apis" => segments.next()?.to_owned(),
            _ => return None,
        };
        let version = segments.next()?.to_owned();
        let rest: Vec<&str> = segments.collect();
        let (namespace, rest) = match rest.as_slice() {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() && rest != ["status"] => {
                (Some((*namespace).to_owned()), rest)
            }
            rest => (None, rest),
        };
        let mut rest = rest.iter().map(|segment| (*segment).to_owned());
        let resource = rest.next()?;
        Some(Self { group, version, resource, namespace, name: rest.next(), subresource: rest.next() })
    }
}

/// The value of a query parameter.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| decode(value))
}

/// Undoes the encoding of query parameters.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8_lossy(&digits).into_owned();
                bytes.extend(u8::from_str_radix(&digits, 16).ok());
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_group_resource_namespace_name_and_subresource() {
        let target = |group: &str, resource: &str, rest: [Option<&str>; 3]| {
            let [namespace, name, subresource] = rest.map(|text| text.map(str::to_owned));
            let (group, resource) = (group.to_owned(), resource.to_owned());
            Some(Target { group, version: "v1".to_owned(), resource, namespace, name, subresource })
        };
        for (path, expected) in [
            ("/api/v1/namespaces", target("", "namespaces", [None, None, None])),
            ("/api/v1/namespaces/a", target("", "namespaces", [None, Some("a"), None])),
            ("/api/v1/namespaces/a/status", target("", "namespaces", [None, Some("a"), Some("status")])),
            ("/api/v1/namespaces/a/pods", target("", "pods", [Some("a"), None, None])),
            (
                "/apis/apps/v1/namespaces/a/deployments/d",
                target("apps", "deployments", [Some("a"), Some("d"), None]),
            ),
            ("/api/v1/nodes/n/status", target("", "nodes", [None, Some("n"), Some("status")])),
            ("/version", None),
        ] {
            assert_eq!(Target::parse(path), expected, "{path}");
        }
    }

    #[test]
    fn query_parameters_are_decoded() {
        let query = "watch=true&labelSelector=app%3Dmetallb%2Cx&fieldManager=a+b";
        assert_eq!(parameter(query, "labelSelector").as_deref(), Some("app=metallb,x"));
        assert_eq!(parameter(query, "fieldManager").as_deref(), Some("a b"));
        assert_eq!(parameter(query, "limit"), None);
    }
}
