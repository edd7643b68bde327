//! Who may read what we serve: TokenReview, then SubjectAccessReview (contract 01 §6).

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

#[cfg(test)]
mod tests;

/// Whether somebody may read a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Yes.
    Allowed,
    /// The token is missing or unknown.
    Unauthenticated,
    /// The token is known and not entitled.
    Forbidden,
    /// The API server could not be asked.
    Unknown,
}

/// Whether the bearer of a token may `get` a path outside the resource API, `/metrics` for instance.
pub async fn may_get(client: &Client, bearer: Option<String>, path: &str) -> Access {
    let Some(token) = bearer else { return Access::Unauthenticated };
    match review(client, token, path).await {
        Ok(access) => access,
        Err(error) => {
            tracing::warn!(%error, path, "can't ask the API server who may read");
            Access::Unknown
        }
    }
}

async fn review(client: &Client, token: String, path: &str) -> Result<Access, kube::Error> {
    let spec = TokenReviewSpec { token: Some(token), ..TokenReviewSpec::default() };
    let asked = TokenReview { spec, ..TokenReview::default() };
    let answered = Api::all(client.clone()).create(&PostParams::default(), &asked).await?;
    let status = answered.status.unwrap_or_default();
    match status.user {
        Some(user) if status.authenticated == Some(true) => entitled(client, user, path).await,
        _ => Ok(Access::Unauthenticated),
    }
}

async fn entitled(client: &Client, user: UserInfo, path: &str) -> Result<Access, kube::Error> {
    let attributes = NonResourceAttributes { path: Some(path.to_owned()), verb: Some("get".to_owned()) };
    let spec = SubjectAccessReviewSpec {
        non_resource_attributes: Some(attributes),
        user: user.username,
        uid: user.uid,
        groups: user.groups,
        extra: user.extra,
        ..SubjectAccessReviewSpec::default()
    };
    let asked = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let answered = Api::all(client.clone()).create(&PostParams::default(), &asked).await?;
    let allowed = answered.status.is_some_and(|status| status.allowed);
    Ok(if allowed { Access::Allowed } else { Access::Forbidden })
}
