use super::{Files, MACHINE_FOLDERS, REGISTRIES, findings};

fn finding(name: &str, text: &str) -> Vec<String> {
    findings(&Files::from([(name.to_owned(), text.to_owned())]))
}

#[test]
fn registries_are_found_with_file_and_line() {
    for host in REGISTRIES {
        let found = finding("README.md", &format!("one\nsee https://{host}/x\n"));
        assert_eq!(found.len(), 1, "{host}");
        assert!(found[0].starts_with("README.md:2: ") && found[0].contains(host), "{found:?}");
    }
}

#[test]
fn the_lock_file_may_name_registries_but_no_folder() {
    assert_eq!(finding("Cargo.lock", REGISTRIES[0]), Vec::<String>::new());
    assert_eq!(finding("Cargo.lock", MACHINE_FOLDERS[0]).len(), 1);
}

#[test]
fn folders_of_this_machine_are_found_but_not_parts_of_other_paths() {
    for folder in MACHINE_FOLDERS {
        for text in
            [format!("cd {folder}x"), format!("\"{folder}x\""), format!("A={folder}x"), folder.to_string()]
        {
            assert_eq!(finding("Makefile", &text).len(), 1, "{text}");
        }
        for text in [format!("target{folder}x"), format!("{{dir}}{folder}x"), format!("..{folder}x")] {
            assert_eq!(finding("Makefile", &text), Vec::<String>::new(), "{text}");
        }
    }
}

#[test]
fn a_test_may_be_ignored_with_a_reason_only() {
    assert_eq!(finding("src/a.rs", "#[ignore]\nfn x() {}").len(), 1);
    assert_eq!(
        finding("src/a.rs", "#[ignore = \"needs root\"]\nfn x() {}\n// #[ignore]"),
        Vec::<String>::new()
    );
}

#[test]
fn a_file_of_rust_has_500_lines_at_most_without_its_tests() {
    let lines = |count: usize| "fn x() {}\n".repeat(count);
    assert_eq!(finding("src/a.rs", &lines(500)), Vec::<String>::new());
    assert_eq!(finding("src/a.rs", &lines(501)).len(), 1);
    let with_tests = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", lines(499), lines(99));
    assert_eq!(finding("src/a.rs", &with_tests), Vec::<String>::new());
    assert_eq!(finding("src/a/tests.rs", &lines(501)), Vec::<String>::new());
    assert_eq!(finding("docs/a.md", &lines(501)), Vec::<String>::new());
}

#[test]
fn modules_have_no_mod_file() {
    assert_eq!(finding("src/a/mod.rs", "").len(), 1);
}
