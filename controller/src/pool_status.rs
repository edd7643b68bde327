//! Keeps the status of the pools true (contract 01 §8.2), apart from the work on Services.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use kube::api::PostParams;
use kube::runtime::utils::Backoff;
use kube::{Api, Client};
use metallb_api::{IPAddressPool, IPAddressPoolStatus};
use metallb_cluster::{Pace, Store};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::telling::brief;

/// Changes of this long a time become one write for each pool.
const GATHER: Duration = Duration::from_millis(200);
/// How long the writes rest after that: a stream of Services costs a write a second, not one for each Service.
const REST: Duration = Duration::from_millis(800);

/// What the statuses should be, by pool.
type Wanted = BTreeMap<String, IPAddressPoolStatus>;

/// Hands wanted statuses to the task that writes them. The task ends when this is dropped.
pub(crate) struct PoolStatuses {
    wanted: watch::Sender<Wanted>,
    _task: JoinSet<()>,
}

impl PoolStatuses {
    pub(crate) fn start(client: Client, namespace: &str, pools: Store<IPAddressPool>) -> Self {
        let (sender, wanted) = watch::channel(Wanted::new());
        let mut task = JoinSet::new();
        let api = Api::namespaced(client, namespace);
        let namespace = namespace.to_owned();
        task.spawn(Statuses { api, namespace, pools, written: HashMap::new(), count: 0 }.run(wanted));
        Self { wanted: sender, _task: task }
    }

    /// The statuses should be these; called again whenever a pool may have been changed by others. Never waits.
    pub(crate) fn want(&self, wanted: Wanted) {
        self.wanted.send_replace(wanted);
    }
}

struct Statuses {
    api: Api<IPAddressPool>,
    namespace: String,
    pools: Store<IPAddressPool>,
    /// The version each status was written over: until another one is seen, what we see is old news.
    written: HashMap<String, (Option<String>, IPAddressPoolStatus)>,
    /// How many statuses were written.
    count: u64,
}

impl Statuses {
    async fn run(mut self, mut wanted: watch::Receiver<Wanted>) {
        let mut pace = Pace::default();
        while wanted.changed().await.is_ok() {
            tokio::time::sleep(GATHER).await;
            loop {
                let statuses = wanted.borrow_and_update().clone();
                let before = self.count;
                if self.write_all(statuses).await {
                    pace.reset();
                    if self.count != before {
                        tokio::time::sleep(REST).await;
                    }
                    break;
                }
                tokio::time::sleep(pace.next().unwrap_or(GATHER)).await;
            }
        }
    }

    /// Writes what differs. Whether there is nothing left to try again.
    async fn write_all(&mut self, statuses: Wanted) -> bool {
        let mut all = true;
        self.written.retain(|name, _| statuses.contains_key(name));
        for (name, status) in statuses {
            if let Some(pool) = self.pools.get(&self.namespace, &name)
                && !self.is_written(&pool, &name, &status)
            {
                all &= self.write(&pool, &name, status).await;
            }
        }
        all
    }

    fn is_written(&self, pool: &IPAddressPool, name: &str, status: &IPAddressPoolStatus) -> bool {
        let under_way = self
            .written
            .get(name)
            .is_some_and(|(over, written)| *over == pool.metadata.resource_version && written == status);
        under_way || pool.status.as_ref() == Some(status)
    }

    async fn write(&mut self, pool: &Arc<IPAddressPool>, name: &str, status: IPAddressPoolStatus) -> bool {
        let object = IPAddressPool { status: Some(status.clone()), ..IPAddressPool::clone(pool) };
        match self.api.replace_status(name, &PostParams::default(), &object).await {
            Ok(_) => {
                self.count = self.count.wrapping_add(1);
                self.written.insert(name.to_owned(), (pool.metadata.resource_version.clone(), status));
                true
            }
            // The pool is gone, or another version is about to be seen, which asks for another look.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => true,
            Err(error) => {
                tracing::warn!(pool = name, error = brief(&error), "pool status not written, trying again");
                false
            }
        }
    }
}
