use super::{code, paths, without_tests};

fn visible(source: &str) -> String {
    code(source).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn comments_and_texts_are_blanked() {
    let table = [
        ("a // std::fs\nb", "a b"),
        ("a /* x /* std::fs */ y */ b", "a b"),
        (r#"a("std::fs \" still") b"#, "a( ) b"),
        (r###"a(r#"std::fs " "# ) b"###, "a( ) b"),
        (r#"a(b"std::fs") b"#, "a(b ) b"),
        ("a('\"') b", "a( ) b"),
        (r"a('\'') b", "a( ) b"),
        ("a<'x>('y') b", "a<'x>( ) b"),
        ("for r in 0..1 {}", "for r in 0..1 {}"),
        ("\"never closed", ""),
        ("/* never closed", ""),
    ];
    for (source, expected) in table {
        assert_eq!(visible(source), expected, "{source}");
    }
}

#[test]
fn lines_stay_where_they_are() {
    let source = "a\n/* b\n c */\n\"d\ne\"\nf";
    assert_eq!(code(source).lines().count(), source.lines().count());
}

#[test]
fn items_of_tests_are_taken_out() {
    let table = [
        ("a; #[cfg(test)] mod tests; b;", "a;  b;"),
        ("a; #[cfg(test)] mod tests { fn x() { y() } } b;", "a;  b;"),
        ("a; #[cfg(test)] use x::{y, z}; b;", "a;  b;"),
        ("a; #[cfg(test)] mod tests {", "a; "),
    ];
    for (source, expected) in table {
        assert_eq!(without_tests(source), expected, "{source}");
    }
}

#[test]
fn groups_are_spelled_out() {
    let found = paths("use std::{fs, io::{self, Read as R}, net::TcpStream}; let x = Instant::now();");
    for path in ["std::fs", "std::io::self", "std::io::Read", "std::net::TcpStream", "Instant::now"] {
        assert!(found.contains(path), "{path} in {found:?}");
    }
}

#[test]
fn a_path_may_begin_with_colons() {
    for source in ["use ::std::fs;", "let x = ::std::fs;", "return ::std::fs;", "fn x(y: ::std::fs) {}"] {
        assert!(paths(source).contains("std::fs"), "{source}: {:?}", paths(source));
    }
}

#[test]
fn a_path_may_be_broken_over_lines() {
    assert!(paths("std::\n    fs::read(x)").contains("std::fs::read"));
}
