use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement;

use super::*;

/// A requirement of a table: key, operator, values.
type Expression<'a> = (&'a str, &'a str, &'a [&'a str]);

fn raw(labels: &[(&str, &str)], expressions: &[Expression<'_>]) -> LabelSelector {
    let expression = |(key, operator, values): &Expression<'_>| LabelSelectorRequirement {
        key: (*key).to_owned(),
        operator: (*operator).to_owned(),
        values: (!values.is_empty()).then(|| values.iter().map(|value| (*value).to_owned()).collect()),
    };
    LabelSelector {
        match_labels: (!labels.is_empty()).then(|| to_labels(labels)),
        match_expressions: (!expressions.is_empty()).then(|| expressions.iter().map(expression).collect()),
    }
}

fn to_labels(labels: &[(&str, &str)]) -> Labels {
    labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn every_operator_matches_as_kubernetes_has_it() {
    let both = to_labels(&[("app", "web"), ("tier", "front")]);
    let none = Labels::new();
    // (match labels, match expressions, matches app=web tier=front, matches no labels)
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a [Expression<'a>], bool, bool);
    let table: &[Row<'_>] = &[
        (&[], &[], true, true),
        (&[("app", "web")], &[], true, false),
        (&[("app", "db")], &[], false, false),
        (&[], &[("app", "In", &["db", "web"])], true, false),
        (&[], &[("app", "NotIn", &["web"])], false, true),
        (&[], &[("app", "Exists", &[])], true, false),
        (&[], &[("app", "DoesNotExist", &[])], false, true),
        (&[("app", "web")], &[("tier", "NotIn", &["front"])], false, false),
    ];
    for (labels, expressions, with_labels, without) in table {
        let selector = Selector::parse(&raw(labels, expressions)).unwrap();
        assert_eq!(selector.matches(&both), *with_labels, "{selector}");
        assert_eq!(selector.matches(&none), *without, "{selector}");
    }
}

/// Contract 01 §3.2, rows "any selector", and what Kubernetes refuses.
#[test]
fn wrong_selectors_say_what_is_wrong() {
    type Row<'a> = (&'a [(&'a str, &'a str)], Expression<'a>, &'a str);
    let table: &[Row<'_>] = &[
        (
            &[],
            ("app", "Is", &["a"]),
            r#""Is" is not a valid label selector operator: use In, NotIn, Exists or DoesNotExist"#,
        ),
        (&[], ("app", "In", &[]), r#"label selector key "app": operator In needs at least one value"#),
        (&[], ("app", "Exists", &["a"]), r#"label selector key "app": operator Exists takes no values"#),
        (&[], ("-app", "Exists", &[]), r#"label selector key "-app" is not a valid label key"#),
        (
            &[("app", "a b")],
            ("app", "Exists", &[]),
            r#"label selector key "app": "a b" is not a valid label value"#,
        ),
        (
            &[],
            ("app", "In", &["a", "b", "a"]),
            r#"duplicate definition of match expression value in label selector "app in (a,a,b)""#,
        ),
    ];
    for (labels, expression, message) in table {
        assert_eq!(Selector::parse(&raw(labels, &[*expression])).unwrap_err().to_string(), *message);
    }
}

#[test]
fn an_expression_given_twice_is_refused_whatever_the_order_of_its_values() {
    let twice = raw(&[], &[("app", "In", &["a", "b"]), ("app", "In", &["b", "a"])]);
    assert_eq!(
        Selector::parse(&twice).unwrap_err().to_string(),
        r#"duplicate definition of match expressions "app in (a,b)" in label selector "app in (a,b),app in (a,b)""#
    );
}

#[test]
fn equal_selectors_print_alike_and_are_equal() {
    let a = raw(&[("b", "1"), ("a", "2")], &[("z", "Exists", &[]), ("c", "NotIn", &["y", "x"])]);
    let b = raw(&[("a", "2"), ("b", "1")], &[("c", "NotIn", &["x", "y"]), ("z", "Exists", &[])]);
    let (first, second) = (Selector::parse(&a).unwrap(), Selector::parse(&b).unwrap());
    assert_eq!(first, second);
    assert_eq!(first.to_string(), "a=2,b=1,c notin (x,y),z");
    assert_eq!(first.to_string(), render(&a));
}

#[test]
fn label_keys_and_values_have_the_syntax_of_kubernetes() {
    let long = "a".repeat(64);
    for key in ["app", "a.b/c", "example.com/A_b.c-9", &"a".repeat(63)] {
        assert!(syntax::is_label_key(key), "{key}");
    }
    for key in ["", "/a", "a/", "Ex.com/a", "a/b/c", "a b", "_a", long.as_str()] {
        assert!(!syntax::is_label_key(key), "{key}");
    }
    assert!(syntax::is_label_value(""));
    assert!(!syntax::is_label_value(&long));
}
