use clap::Parser;
use metallb_telemetry::metrics::Metrics;
use metallb_testkit::{ApiServer, Failure};

use super::super::{SnapshotSettings, read};
use super::*;
use crate::flags::{Flags, MemberSettings};
use crate::stores::Stores;
use crate::testing::{Folder, NAMESPACE, node, pod, pool, service, slice, until};

struct Kept {
    server: ApiServer,
    folder: Folder,
    stores: Stores,
    keeper: Keeper,
    metrics: SnapshotMetrics,
}

/// Stores in step with a server, and a keeper of a file in a folder that does not exist yet.
async fn kept(test: &str) -> Kept {
    let server = cluster();
    kept_of(test, server, None).await
}

fn cluster() -> ApiServer {
    let server = ApiServer::default();
    server.put(&node("n1"));
    server.put(&pool("pool", &["192.0.2.0/24"]));
    server.put(&service("web", "192.0.2.1"));
    server.put(&slice("web", "n1", true));
    server
}

async fn kept_of(test: &str, server: ApiServer, members: Option<&MemberSettings>) -> Kept {
    let stores = Stores::follow(&server.client(NAMESPACE), NAMESPACE, members);
    until("all is listed", || stores.watches.all_synced(), |synced| *synced).await;
    let (folder, metrics) = (Folder::new(test), Metrics::default().snapshot().unwrap());
    let contents = Contents::new(&stores, "n1", NAMESPACE);
    let path = folder.file("kept/snapshot");
    let keeper = Keeper::new(path, contents, stores.watches.listen(), metrics.clone());
    Kept { server, folder, stores, keeper, metrics }
}

impl Kept {
    fn services(&self) -> Option<Vec<String>> {
        let settings = SnapshotSettings { path: self.keeper.path.clone(), max_age: REFRESH };
        let found = read(&settings, "n1", now()).unwrap()?;
        Some(found.saved.services.into_iter().map(|service| service.name).collect())
    }
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_counted_and_tried_again_at_the_next_look() {
    let mut kept = kept("keeper-disk").await;
    for (looks, is_changed) in [(1, true), (2, false)] {
        kept.keeper.keep(is_changed).await;
        assert_eq!((kept.services(), kept.metrics.failures.get()), (None, looks));
        assert!(kept.keeper.is_failing);
    }
    std::fs::create_dir(kept.folder.file("kept")).unwrap();
    kept.keeper.keep(false).await;
    assert_eq!(kept.services(), Some(vec!["web".to_owned()]));
    assert!(!kept.keeper.is_failing && kept.metrics.written.get() > 0);
}

#[tokio::test]
async fn the_same_knowledge_is_not_written_twice() {
    let mut kept = kept("keeper-same").await;
    std::fs::create_dir(kept.folder.file("kept")).unwrap();
    let file = |kept: &Kept| {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(&kept.keeper.path).unwrap().ino()
    };
    kept.keeper.keep(true).await;
    let first = file(&kept);
    kept.keeper.keep(true).await;
    kept.keeper.keep(false).await;
    assert_eq!(file(&kept), first, "only its age changed");
    kept.server.put(&service("mail", "192.0.2.2"));
    until("the Service is seen", || kept.stores.services.all().len(), |seen| *seen == 2).await;
    kept.keeper.keep(true).await;
    assert_eq!(kept.services(), Some(vec!["mail".to_owned(), "web".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_ends_without_a_word_leaves_a_fresh_file() {
    let Kept { server, folder, stores, keeper, metrics: _ } = kept("keeper-outage").await;
    std::fs::create_dir(folder.file("kept")).unwrap();
    let (path, contents) = (keeper.path.clone(), keeper.contents.clone());
    let file = || std::fs::read(&path).unwrap();
    let keeper = tokio::spawn(keeper.run());
    sleep(REFRESH * 2).await;
    server.fail_watches(Some(Failure::Unreachable));
    until("the outage is noticed", || contents.are_current(), |current| !*current).await;
    let before = file();
    server.put(&service("mail", "192.0.2.2"));
    sleep(REFRESH * 5).await;
    assert_eq!(file(), before, "what is not known from the API server looks no younger than it is");
    server.fail_watches(None);
    until("the Service is seen", || stores.services.all().len(), |seen| *seen == 2).await;
    sleep(REFRESH * 3).await;
    assert!(contents.are_current());
    assert!(String::from_utf8_lossy(&file()).contains("192.0.2.2"), "with what changed meanwhile");
    keeper.abort();
}

#[tokio::test]
async fn a_change_that_comes_while_another_kind_is_not_current_is_written_later() {
    let mut kept = kept("keeper-behind").await;
    std::fs::create_dir(kept.folder.file("kept")).unwrap();
    kept.keeper.keep(true).await;
    kept.server.put(&service("mail", "192.0.2.2"));
    until("the Service is seen", || kept.stores.services.all().len(), |seen| *seen == 2).await;
    let current = kept.keeper.contents.clone();
    let silent = ApiServer::default();
    silent.fail_all(Some(Failure::Unreachable));
    let waiting = Stores::follow(&silent.client(NAMESPACE), NAMESPACE, None);
    kept.keeper.contents = Contents::new(&waiting, "n1", NAMESPACE);
    kept.keeper.keep(true).await;
    kept.keeper.contents = current;
    kept.keeper.keep(false).await;
    assert_eq!(kept.services(), Some(vec!["mail".to_owned(), "web".to_owned()]));
}

#[tokio::test]
async fn where_pods_are_listed_but_not_watched_the_file_is_written() {
    let server = cluster();
    server.put(&pod("n1", true));
    server.forbid("watch pods");
    let flags = ["speaker", "--node-name=n1", "--ml-labels=component=speaker", "--ml-bindaddr=::1"];
    let settings = Flags::try_parse_from(flags).unwrap().parse_settings().unwrap();
    let mut kept = kept_of("keeper-rights", server, settings.members.as_ref()).await;
    std::fs::create_dir(kept.folder.file("kept")).unwrap();
    let refused =
        || kept.server.take_requests().iter().any(|request| request.to_string().starts_with("watch pods"));
    until("the watch is refused", refused, |refused| *refused).await;
    sleep(Duration::from_millis(100)).await;
    kept.keeper.keep(true).await;
    assert_eq!(kept.services(), Some(vec!["web".to_owned()]));
}

#[tokio::test]
async fn what_is_put_back_is_what_was_taken_down() {
    let kept = kept("keeper-back").await;
    let saved = kept.keeper.contents.take_down();
    assert_eq!(
        (saved.services.len(), saved.slices.len(), saved.nodes.len(), saved.pools.len()),
        (1, 1, 1, 1)
    );
    let silent = ApiServer::default();
    silent.fail_all(Some(Failure::Unreachable));
    let stores = Stores::follow(&silent.client(NAMESPACE), NAMESPACE, None);
    let contents = Contents::new(&stores, "n1", NAMESPACE);
    contents.put_back(saved.clone());
    assert_eq!(contents.take_down(), saved);
    assert!(!contents.are_current());
    // What is not known from the API server looks no younger than it is.
    let metrics = kept.metrics.clone();
    let path = kept.folder.file("again");
    let mut keeper = Keeper::new(path.clone(), contents, stores.watches.listen(), metrics.clone());
    keeper.keep(true).await;
    assert_eq!((path.exists(), metrics.written.get(), metrics.failures.get()), (false, 0, 0));
}
