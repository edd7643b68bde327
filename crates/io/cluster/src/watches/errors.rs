//! What an error says of the API server.

use kube::runtime::watcher;

/// Whether only listing is allowed: a watch is begun after a complete list.
pub(super) fn is_forbidden_watch(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 403)
}

/// Whether nobody answered, or a server that is out of order: whoever refuses is there.
pub(super) fn is_away(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => match error {
            kube::Error::Api(status) => status.code >= 500,
            kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => true,
            _ => false,
        },
        watcher::Error::WatchError(status) => status.code >= 500,
        watcher::Error::NoResourceVersion => false,
    }
}

/// The error in words that say what to do.
pub(super) fn explain(what: &str, error: &watcher::Error) -> String {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status,
        other => return chain(other),
    };
    match status.code {
        404 => format!("the API server does not know {what}: is its CRD installed?"),
        403 => format!("not allowed to list and watch {what}: {}", status.message),
        _ => format!("{} ({})", status.message, status.code),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let message = inner.to_string();
        // kube's own messages already hold their cause.
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = inner.source();
    }
    text
}
