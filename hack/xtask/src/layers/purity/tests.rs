use super::{Sources, check};

fn findings(source: &str) -> Vec<String> {
    check("metallb-x", &Sources::from([("lib.rs".to_owned(), source.to_owned())]))
}

#[test]
fn every_way_to_the_world_is_found_and_named() {
    let table = [
        ("use std::net::TcpStream;", "std::net::TcpStream"),
        ("use std::net::{IpAddr, UdpSocket};", "std::net::UdpSocket"),
        ("use std::{fmt, fs};", "std::fs"),
        ("fn x() { std::fs::read(y) }", "std::fs::read"),
        ("use std::fs as files;", "std::fs"),
        ("use std::time::{Duration, SystemTime};", "std::time::SystemTime"),
        ("use std::time::Instant; fn x() { Instant::now() }", "Instant::now"),
        ("fn x() { jiff::Timestamp::now() }", "jiff::Timestamp::now"),
        ("fn x() { std::thread::spawn(y) }", "std::thread::spawn"),
        ("use std::process::Command;", "std::process::Command"),
        ("fn x() { std::env::var(y) }", "std::env::var"),
        ("use std::os::fd::OwnedFd;", "std::os::fd::OwnedFd"),
        ("use std::sync::{Arc, Mutex};", "std::sync::Mutex"),
        ("async fn x() {}", "async"),
    ];
    for (source, path) in table {
        let found = findings(source);
        assert_eq!(found.len(), 1, "{source}: {found:?}");
        assert!(found[0].contains(&format!("metallb-x must not name {path} in lib.rs")), "{found:?}");
    }
}

#[test]
fn values_tests_and_prose_are_fine() {
    let table = [
        "use std::net::{IpAddr, Ipv4Addr}; use std::time::{Duration, Instant};",
        "fn next(now: Instant) -> Instant { now + x }",
        "/// Not like `std::fs`, see Instant::now().\nfn x() {}",
        r#"const WHAT: &str = "std::fs";"#,
        "use std::fsx::y; use std::processes; use std::sync::Arc;",
        "#[cfg(test)] mod tests { use std::fs; fn x() { Instant::now() } }",
    ];
    for source in table {
        assert_eq!(findings(source), Vec::<String>::new(), "{source}");
    }
}
