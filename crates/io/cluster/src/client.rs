//! The client of the API server this daemon belongs to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// How long a new connection may take. Failing early beats waiting: everything is retried.
const CONNECT: Duration = Duration::from_secs(5);

/// No usable client configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file given is missing or malformed.
    #[error("reading kubeconfig {path}")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: kube::config::KubeconfigError,
    },
    /// Neither in a pod nor with a kubeconfig.
    #[error("finding the API server: run in a pod, or set --kubeconfig or KUBECONFIG")]
    Infer(#[source] kube::config::InferConfigError),
    /// The configuration names something the client can't do.
    #[error("building the API client")]
    Build(#[source] kube::Error),
}

/// A client by the given kubeconfig, else by `KUBECONFIG` and its default, else by the pod's service account.
///
/// The API server is not contacted: it may be unreachable now and come later.
///
/// # Errors
/// When no configuration is found or it can't be used.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ConnectError> {
    let mut config = match kubeconfig {
        Some(path) => from_file(path).await?,
        None => Config::infer().await.map_err(ConnectError::Infer)?,
    };
    config.connect_timeout = Some(CONNECT);
    Client::try_from(config).map_err(ConnectError::Build)
}

async fn from_file(path: &Path) -> Result<Config, ConnectError> {
    let wrong = |source| ConnectError::Kubeconfig { path: path.to_owned(), source };
    let kubeconfig = Kubeconfig::read_from(path).map_err(wrong)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(wrong)
}
