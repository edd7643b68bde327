//! Another MetalLB by its resource, and by what runs there.
//!
//! What OLM installs has webhook configurations of other names; that its resource says `Available` may be old. So it counts
//! what has pods there: a controller gives away addresses, an operator will make one.

use futures::future::{join, try_join};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client, Error, ResourceExt as _};
use metallb_api::names::METALLB_NAME;
use metallb_render::OPERATOR_DEPLOYMENT;

use crate::dereference::Found;

/// What has pods in a namespace.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Crew {
    controller: bool,
    operator: bool,
}

/// The namespace of a MetalLB that comes before this one, among the resources of other namespaces.
///
/// # Errors
/// When it can't be seen what runs there, or here.
pub(super) async fn first_comer(
    client: &Client,
    found: &Found,
    elsewhere: &[Found],
) -> Result<Option<String>, Error> {
    for other in elsewhere.iter().filter(|other| other.name == METALLB_NAME) {
        let (there, here) = join(crew(client, &other.namespace), crew(client, &found.namespace)).await;
        if comes_before((other, there?), (found, here?)) {
            return Ok(Some(other.namespace.clone()));
        }
    }
    Ok(None)
}

async fn crew(client: &Client, namespace: &str) -> Result<Crew, Error> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let both = try_join(deployments.get_opt("controller"), deployments.get_opt(OPERATOR_DEPLOYMENT));
    let (controller, operator) = both.await?;
    let is_ours = |it: &&Deployment| it.labels().get("app").is_some_and(|app| app == "metallb");
    Ok(Crew {
        controller: controller.as_ref().filter(is_ours).is_some_and(has_pods),
        operator: operator.as_ref().is_some_and(has_pods),
    })
}

fn has_pods(deployment: &Deployment) -> bool {
    deployment.status.as_ref().and_then(|status| status.replicas).is_some_and(|pods| pods > 0)
}

/// Whether the other one keeps this one from being carried out: it runs already, or of two that run, or begin, it is the
/// older. Never both: one that can't begin keeps nobody, or two would keep each other for ever.
fn comes_before((other, there): (&Found, Crew), (found, here): (&Found, Crew)) -> bool {
    let is_older = other.is_older_than(found);
    match (there.controller, here.controller) {
        (true, true) => is_older,
        (true, false) => true,
        (false, true) => false,
        (false, false) => is_older && there.operator && !other.is_degraded(),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::{Value, json};

    use super::*;

    fn found(namespace: &str, age: i64, degraded: &str) -> Found {
        let condition = json!({"type": "Degraded", "status": degraded, "reason": "x", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        Found {
            namespace: namespace.to_owned(),
            name: METALLB_NAME.to_owned(),
            uid: namespace.to_owned(),
            generation: Some(1),
            created: jiff::Timestamp::from_second(1_000_000 - age).ok().map(Time),
            is_being_deleted: false,
            spec: Value::Null,
            conditions: vec![serde_json::from_value(condition).unwrap()],
        }
    }

    /// Every crew.
    fn crews() -> impl Iterator<Item = Crew> {
        [(false, false), (false, true), (true, false), (true, true)]
            .into_iter()
            .map(|(controller, operator)| Crew { controller, operator })
    }

    #[test]
    fn who_gives_way_follows_from_what_runs_and_then_from_age() {
        let none = Crew::default();
        let operator = Crew { operator: true, ..none };
        let both = Crew { controller: true, ..operator };
        for (there, here, is_older, is_degraded, expected, why) in [
            (both, none, false, false, true, "it runs"),
            (both, operator, false, true, true, "it runs, though in trouble"),
            (both, both, true, false, true, "both run, it is older"),
            (both, both, false, false, false, "both run, we are older"),
            (none, none, true, false, false, "nothing runs there"),
            (operator, none, true, false, true, "it is about to begin"),
            (operator, none, true, true, false, "it can't begin"),
            (operator, none, false, false, false, "both begin, we are older"),
            (operator, both, true, false, false, "we run"),
        ] {
            let other = found("b", if is_older { 10 } else { 0 }, if is_degraded { "True" } else { "False" });
            let ours = found("a", 5, "False");
            assert_eq!(comes_before((&other, there), (&ours, here)), expected, "{why}");
        }
    }

    #[test]
    fn two_never_keep_each_other() {
        for (age, one_degraded, other_degraded) in
            [(0, "False", "False"), (5, "True", "True"), (10, "False", "True"), (5, "False", "False")]
        {
            let (one, other) = (found("a", age, one_degraded), found("b", 5, other_degraded));
            for (here, there) in crews().flat_map(|here| crews().map(move |there| (here, there))) {
                let kept = [((&other, there), (&one, here)), ((&one, here), (&other, there))]
                    .map(|(first, second)| comes_before(first, second));
                assert_ne!(kept, [true, true], "{age}: {here:?} {there:?}");
                assert!(!(here.controller && there.controller) || kept.contains(&true), "nor run both");
            }
        }
    }
}
