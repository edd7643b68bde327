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
        ("use std::io::{self as x};", "std::io::self"),
        ("use std::io::Write as _;", "std::io::Write"),
        ("fn x() -> Result<(), std::io::Error> {}", "std::io::Error"),
        ("use std::net; fn x() { net::TcpListener::bind(y) }", "net::TcpListener::bind"),
        ("use std::net::ToSocketAddrs as _;", "std::net::ToSocketAddrs"),
        ("use std::net::{self, ToSocketAddrs};", "std::net::ToSocketAddrs"),
        ("fn x(then: Instant) { then.elapsed() }", ".elapsed()"),
        ("fn x(then: Instant) { then\n    . elapsed () }", ".elapsed()"),
        ("fn x() { Instant::elapsed(&then) }", "Instant::elapsed"),
        ("use std::collections::hash_map::RandomState;", "std::collections::hash_map::RandomState"),
        ("fn x() { std::hash::RandomState::new() }", "std::hash::RandomState::new"),
        ("use std::sync::mpsc;", "std::sync::mpsc"),
        ("use std::sync; fn x() { sync::mpsc::channel() }", "sync::mpsc::channel"),
        ("use std as s; fn x() { s::fs::read(y) }", "std"),
        ("use ::std as s;", "std"),
        ("use ::std::fs;", "std::fs"),
        ("extern crate std as s;", "std"),
        ("use std::{self as s};", "std::self"),
        ("use std::*;", "std::"),
        ("use std::env;", "std::env"),
        ("use ring::{aead, rand};", "ring::rand"),
        ("fn x() { ring::rand::generate(y) }", "ring::rand::generate"),
        ("use ring::*;", "ring::"),
        ("use ring as r;", "ring"),
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
        "use std::fsx::y; use std::processes; use std::sync::Arc; use std::iter; use std::net::*;",
        "struct X { elapsed: Duration } fn x(x: X) -> Duration { x.elapsed } fn elapsed() {}",
        "use ring::aead::{self, LessSafeKey}; use ring::hmac;",
        "use std::collections::HashMap; fn x() { HashMap::<A, B>::new() }",
        "#[cfg(test)] mod tests { use std::fs; fn x() { Instant::now() } }",
    ];
    for source in table {
        assert_eq!(findings(source), Vec::<String>::new(), "{source}");
    }
}
