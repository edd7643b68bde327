use super::*;

#[test]
fn flags_are_the_fields_below_their_attribute() {
    let source = "/// Port: of the probes.\n#[arg(long, default_value_t = 1)]\nport: u16,\n#[arg(long, value_parser = go_bool,\n  \
                  action = ArgAction::Set)]\npub leader_elect: bool,\n#[arg(skip = x)]\nbgp_type: String,\n";
    assert_eq!(flags(source).into_iter().collect::<Vec<_>>(), ["leader-elect", "port"]);
}

#[test]
fn variables_are_those_of_flags() {
    let source = "#[arg(long, env = \"A_B\", default_value = \"\")]\na: String,\n#[arg(long)]\nb: u16,\n";
    assert_eq!(variables(source).into_iter().collect::<Vec<_>>(), ["A_B"]);
}

#[test]
fn only_what_the_original_lacks_is_an_addition() {
    let program = Program { source: "flags.rs", flags: &["a"], variables: &["A"] };
    let source = "#[arg(long, env = \"A\")]\na: String,\n#[arg(long, env = \"B\")]\nb_c: u16,\n";
    assert_eq!(program.additions(source).unwrap(), ["--b-c", "B"]);
    let error = program.additions("").unwrap_err().to_string();
    assert_eq!(error, "flags.rs can't be read any more: no a");
}

#[test]
fn fields_are_named_by_their_last_part() {
    let list = "rules: []\nfields:\n- { plural: a, at: spec.b.c }\n- { plural: a, at: d }\n";
    assert_eq!(fields(list).unwrap(), ["c", "d"]);
}

#[test]
fn a_name_needs_a_row_of_its_own() {
    let document = "# New: `--b`\n| `--a` | x |\n";
    let found = missing(document, ["--a", "--b"].map(str::to_owned).into_iter());
    assert_eq!(found, ["docs/additions.md has no row for --b"]);
}

#[test]
fn metrics_are_the_first_column() {
    let document = "| name |\n| `metallb_a` | gauge | `pool` |\n| `process_x` | gauge |\n";
    assert_eq!(metrics(document).into_iter().collect::<Vec<_>>(), ["metallb_a"]);
}

/// The real sources stand for those of programs that have all flags of the original's.
#[test]
fn a_flag_that_any_program_gains_is_an_addition() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let gained = |program: &str| {
        settings(|file| {
            let source = fs::read_to_string(root.join(file))?;
            let more = if file == program { "#[arg(long)]\npub new_one: u16,\n" } else { "" };
            Ok(source + more)
        })
        .unwrap()
    };
    let before = gained("none of them");
    for program in ["controller/src/flags.rs", "speaker/src/flags.rs", "operator/src/flags.rs"] {
        let mut after = gained(program);
        let place = after.iter().position(|name| name == "--new-one").expect(program);
        after.remove(place);
        assert_eq!(after, before, "{program}");
    }
}

/// Both documents with all reasons below *Conditions*, but for this one.
fn documents_without(reason: &str) -> (String, String) {
    let services = ConditionReason::ALL.map(ConditionReason::as_str).into_iter();
    let services = services.chain(AnnouncedReason::ALL.map(AnnouncedReason::as_str));
    let metallb = Reason::ALL.map(Reason::as_str);
    let table = |names: Vec<&str>, before: &str| {
        let rows = names
            .iter()
            .filter(|name| **name != reason)
            .map(|name| format!("|{before} | `{name}` | why |\n"));
        // What stands elsewhere does not count, nor does a word of another column.
        format!(
            "# New\n| a | b | `{reason}` |\n\n## Conditions\n\n{}|{before} | | `{reason}` |\n\n## Events\n\n|{before} | `{reason}` | x |\n",
            rows.collect::<String>()
        )
    };
    (table(services.chain(metallb).collect(), " `t` | `k`"), table(metallb.into(), " `t`"))
}

#[test]
fn every_reason_needs_a_row_below_conditions() {
    let (additions, guide) = documents_without("none of them");
    assert_eq!(unlisted_reasons(&additions, &guide), Vec::<String>::new());
    for reason in Reason::ALL.map(Reason::as_str) {
        let row = "has no row for";
        let (additions, guide) = documents_without(reason);
        let expected =
            [ADDITIONS, OPERATOR_GUIDE].map(|file| format!("{file} {row} {reason} below Conditions"));
        assert_eq!(unlisted_reasons(&additions, &guide), expected);
    }
    let (additions, guide) = documents_without(AnnouncedReason::NotReported.as_str());
    let expected = format!("{ADDITIONS} has no row for NotReported below Conditions");
    assert_eq!(unlisted_reasons(&additions, &guide), [expected]);
    assert_eq!(unlisted_reasons("", "").len(), 15 + 8 + 3 + 3, "a document without that part has none");
}

#[test]
fn places_are_the_fields_and_those_of_objects() {
    let field = "{type: string}";
    let spec = format!(
        "{{properties: {{a: {field}, b: {{properties: {{c: {field}, d: {{properties: {{e: {field}}}}}}}}}, f: {{items: {{properties: {{g: {field}}}}}}}}}}}"
    );
    let definition = |spec: &str| {
        format!("spec: {{versions: [{{schema: {{openAPIV3Schema: {{properties: {{spec: {spec}}}}}}}}}]}}\n")
    };
    assert_eq!(places(&definition(&spec)).unwrap(), ["a", "b.c", "b.d", "f"]);
    assert!(places(&definition("{}")).is_err());
}

#[test]
fn every_field_needs_a_row_and_an_example() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let document = "| field | effect | example |\n|---|---|---|\n\
                    | `a` | x, see `e` | `a: {n: [1]}` |\n| `b.c`, `b.d` | y | `b: {c: 1}`, `b: {d: 2}` |\n\
                    | `f.g` | z | [below](#all) |\n| `h` | as `a` | `a: 1` |\n| `i` | none |\n\n\
                    | none | `e`, `j` |\n\nAll:\n\n    spec:\n      f:\n        g: 1\n\nand:\n\n    kubectl get metallb\n";
    assert_eq!(unexplained(document, &names(&["a", "b.c", "b.d", "f.g"])), Vec::<String>::new());
    let lacks =
        |place: &str, what: &str| names(&[&format!("docs/operator.md has no {what} the field {place}")]);
    for place in ["e", "j", "b", "b.e", "c"] {
        assert_eq!(unexplained(document, &names(&[place])), lacks(place, "row for"));
    }
    for place in ["h", "i"] {
        assert_eq!(unexplained(document, &names(&[place])), lacks(place, "example of"));
    }
}
