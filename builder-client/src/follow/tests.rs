//! Cases as fsutil's own tests have them.

use super::follow_links;
use crate::tree::Tree;

#[track_caller]
fn check(tree: &[&str], paths: &[&str], want: Option<&[&str]>) {
    let paths: Vec<String> = paths.iter().map(|p| (*p).to_owned()).collect();
    let got = follow_links(&Tree::new(tree), &paths).unwrap();
    let want = want.map(|want| want.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
    assert_eq!(got, want, "{paths:?}");
}

#[test]
fn links_are_followed_to_their_end() {
    let tree = ["dir/foo", "dir/l1 -> foo", "l2 -> dir/l1", "bar", "baz"];
    check(
        &tree,
        &["l2", "bar"],
        Some(&["bar", "dir/foo", "dir/l1", "l2"]),
    );
}

#[test]
fn loops_end() {
    let tree = ["l1 -> l1", "l2 -> l3", "l3 -> l2"];
    check(&tree, &["l1", "l3"], Some(&["l1", "l2", "l3"]));
    check(&["l1 -> l1/x"], &["l1"], Some(&["l1"]));
}

#[test]
fn absolute_links_start_at_the_contexts_root() {
    for up in ["../", "../../../"] {
        let link = format!("foo/bar -> {up}");
        let tree = ["dir/l1 -> /foo/bar/baz", &link, "baz"];
        check(&tree, &["dir/l1"], Some(&["baz", "dir/l1", "foo/bar"]));
    }
}

#[test]
fn what_does_not_exist_stays_as_it_is() {
    check(
        &[],
        &["foo/bar/baz", "bar/baz"],
        Some(&["bar/baz", "foo/bar/baz"]),
    );
    check(&[], &["."], None);
    check(&[], &["f*/foo/t*"], Some(&["f*/foo/t*"]));
}

#[test]
fn nested_paths_are_left_out() {
    check(&[], &["foo/bar/baz", "foo/bar"], Some(&["foo/bar"]));
    let tree = ["dir/l1 -> /foo", "dir/l2 -> /", "foo/bar"];
    check(&tree, &["dir/l1", "foo/bar"], Some(&["dir/l1", "foo"]));
    check(&tree, &["dir/l2", "foo", "foo/bar"], None);
}

#[test]
fn wildcards_stay_and_the_links_they_match_are_followed() {
    let tree = [
        "dir/l1 -> /foo/bar1",
        "dir/l2 -> /foo/bar2",
        "dir/anotherlink -> /foo/bar3",
        "foo/bar2 -> ../baz",
        "foo/bar1",
        "foo/bar3",
        "baz",
    ];
    check(
        &tree,
        &["dir/l*"],
        Some(&["baz", "dir/l*", "foo/bar1", "foo/bar2"]),
    );
    check(&tree, &["dir"], Some(&["dir"]));
    check(&tree, &["dir", "dir/*link"], Some(&["dir", "foo/bar3"]));
}
