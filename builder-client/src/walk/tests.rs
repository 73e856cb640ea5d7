//! Cases as fsutil's own tests have them, and what a hostile tree must not do.

use proptest::{collection::vec, prelude::*};

use super::{Flow, Selection, walk};
use crate::{
    Context, ContextError, Entry, EntryKind,
    ignore::{Matched, Matcher},
    paths::join,
    tree::Tree,
};

fn selection(include: &[&str], exclude: &[&str], follow: &[&str]) -> Selection {
    let owned = |list: &[&str]| list.iter().map(|p| (*p).to_owned()).collect();
    Selection {
        include: owned(include),
        exclude: owned(exclude),
        follow: owned(follow),
    }
}

fn paths(context: &dyn Context, selection: &Selection) -> Result<Vec<String>, ContextError> {
    let mut paths = Vec::new();
    walk(context, selection, &mut |path, kind| {
        let slash = if *kind == EntryKind::Directory {
            "/"
        } else {
            ""
        };
        paths.push(format!("{path}{slash}"));
        Flow::Continue(())
    })?;
    Ok(paths)
}

#[track_caller]
fn check(tree: &[&str], selection: Selection, want: &str) {
    let got = paths(&Tree::new(tree), &selection).unwrap();
    assert_eq!(got.join(" "), want, "{selection:?}");
}

#[test]
fn depth_first_by_plain_bytes() {
    // Git sorts `foo` behind `foo-bar` and `foo.txt` if it is a folder.
    let tree = ["foo/z", "foo-bar", "foo.txt", "b/a", "B", "é"];
    check(
        &tree,
        Selection::default(),
        "B b/ b/a foo/ foo/z foo-bar foo.txt é",
    );
}

#[test]
fn includes_bring_the_folders_above() {
    let tree = ["bar/foo", "foo2"];
    for (pattern, want) in [
        ("bar", "bar/ bar/foo"),
        ("bar/foo", "bar/ bar/foo"),
        ("b*", "bar/ bar/foo"),
        ("bar/f*", "bar/ bar/foo"),
        ("bar/g*", ""),
        ("f*", "foo2"),
        ("b*/f*", "bar/ bar/foo"),
        ("b*/foo", "bar/ bar/foo"),
        ("b*/", "bar/ bar/foo"),
    ] {
        check(&tree, selection(&[pattern], &[], &[]), want);
    }
}

#[test]
fn double_star_includes() {
    let tree = [
        "a/b/baz/",
        "a/b/bar/foo",
        "a/b/bar/fop",
        "bar/foo",
        "baz/",
        "foo2",
        "foo/bar/bee",
    ];
    for (pattern, want) in [
        (
            "**",
            "a/ a/b/ a/b/bar/ a/b/bar/foo a/b/bar/fop a/b/baz/ bar/ bar/foo baz/ foo/ foo/bar/ foo/bar/bee foo2",
        ),
        (
            "**/bar",
            "a/ a/b/ a/b/bar/ a/b/bar/foo a/b/bar/fop bar/ bar/foo foo/ foo/bar/ foo/bar/bee",
        ),
        (
            "**/b*/f*",
            "a/ a/b/ a/b/bar/ a/b/bar/foo a/b/bar/fop bar/ bar/foo",
        ),
        ("**/b*/foo", "a/ a/b/ a/b/bar/ a/b/bar/foo bar/ bar/foo"),
        ("**/foo/**", "foo/ foo/bar/ foo/bar/bee"),
        ("**/baz", "a/ a/b/ a/b/baz/ baz/"),
    ] {
        check(&tree, selection(&[pattern], &[], &[]), want);
    }
}

#[test]
fn excluded_folders_come_back_for_what_is_excepted() {
    let tree = ["bar", "foo/bar2", "foo2"];
    check(
        &tree,
        selection(&[], &["foo*", "!foo/bar2"], &[]),
        "bar foo/ foo/bar2",
    );
    let tree = ["foo/bar/baz/x", "foo/bar/baz/y", "foo/other"];
    let exclude = ["foo", "!foo/bar", "foo/bar/baz", "!foo/bar/baz/x"];
    check(
        &tree,
        selection(&[], &exclude, &[]),
        "foo/ foo/bar/ foo/bar/baz/ foo/bar/baz/x",
    );
    check(
        &tree,
        selection(&[], &["**", "!**/x"], &[]),
        "foo/ foo/bar/ foo/bar/baz/ foo/bar/baz/x",
    );
    check(&tree, selection(&[], &["foo"], &[]), "");
    // Docker leaves these out, though the pattern names them.
    let tree = ["a/b/x", "a/b/c/y", "a/z"];
    check(
        &tree,
        selection(&[], &["*", "!a/*/**"], &[]),
        "a/ a/b/ a/b/c/ a/b/c/y a/b/x",
    );
}

#[test]
fn followed_links_bring_what_they_point_to() {
    let tree = [
        "bar",
        "foo/l1 -> /baz/one",
        "foo/l2 -> /baz/two",
        "baz/one",
        "baz/two -> ../bax",
        "bax",
        "bay",
    ];
    check(
        &tree,
        selection(&[], &[], &["foo/l*", "bar"]),
        "bar bax baz/ baz/one baz/two foo/ foo/l1 foo/l2",
    );
    let tree = ["foo -> .", "bar", "bax", "bay/baz"];
    check(
        &tree,
        selection(&[], &[], &["foo"]),
        "bar bax bay/ bay/baz foo",
    );
}

#[test]
fn excludes_hold_for_followed_paths_too() {
    let tree = ["web/a", "web/b", "api/a"];
    check(&tree, selection(&[], &["**/b"], &["web"]), "web/ web/a");
}

/// Whatever is left out early must be what a walk without short cuts leaves out too.
#[test]
fn folders_that_hold_nothing_wanted_are_not_read() {
    struct Guarded(Tree);
    impl Context for Guarded {
        fn entries(&self, folder: &str) -> Result<Vec<Entry>, ContextError> {
            assert!(!folder.starts_with("heavy"), "{folder} was read");
            self.0.entries(folder)
        }
        fn read(&self, path: &str) -> Result<Vec<u8>, ContextError> {
            self.0.read(path)
        }
    }
    let tree = Guarded(Tree::new(&["heavy/a/b", "web/a"]));
    for selection in [
        selection(&[], &["heavy"], &[]),
        selection(&[], &["heavy", "!web/a"], &[]),
        selection(&[], &[], &["web"]),
    ] {
        assert_eq!(paths(&tree, &selection).unwrap(), ["web/", "web/a"]);
    }
}

#[test]
fn malformed_patterns_are_the_authors() {
    for pattern in ["!", "[", "[Local-Only]/"] {
        let error = paths(&Tree::new(&["a"]), &selection(&[], &[pattern], &[])).unwrap_err();
        assert!(matches!(error, ContextError::Refused(_)), "{error}");
    }
}

#[test]
fn names_that_mean_another_path_are_refused() {
    struct Hostile(&'static str);
    impl Context for Hostile {
        fn entries(&self, _: &str) -> Result<Vec<Entry>, ContextError> {
            Ok(vec![Entry {
                name: self.0.to_owned(),
                kind: EntryKind::Directory,
            }])
        }
        fn read(&self, path: &str) -> Result<Vec<u8>, ContextError> {
            Err(ContextError::NotFound(path.to_owned()))
        }
    }
    // The last one is a tree without end.
    for name in ["..", ".", "", "a/b", "a\0b", "abcdefgh"] {
        let error = paths(&Hostile(name), &Selection::default()).unwrap_err();
        assert!(matches!(error, ContextError::Refused(_)), "{name}: {error}");
    }
}

#[test]
fn a_walk_stops_when_it_is_told_to() {
    let mut seen = 0;
    walk(
        &Tree::new(&["a", "b", "c"]),
        &Selection::default(),
        &mut |_, _| {
            seen += 1;
            Flow::Break(())
        },
    )
    .unwrap();
    assert_eq!(seen, 1);
}

/// What a walk selects if it looks into every folder, and asks of each path what the patterns say.
fn without_short_cuts(
    tree: &Tree,
    patterns: &[String],
    folder: &str,
    above: &Matched,
) -> Vec<String> {
    let matcher = Matcher::new(patterns).unwrap();
    let mut entries = tree.entries(folder).unwrap();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let mut selected = Vec::new();
    for entry in entries {
        let path = join(folder, &entry.name);
        let (excluded, matched) = matcher.matches(&path, above).unwrap();
        let mut below = Vec::new();
        if entry.kind == EntryKind::Directory {
            below = without_short_cuts(tree, patterns, &path, &matched);
        }
        if !excluded || !below.is_empty() {
            let slash = if entry.kind == EntryKind::Directory {
                "/"
            } else {
                ""
            };
            selected.push(format!("{path}{slash}"));
        }
        selected.extend(below);
    }
    selected
}

proptest! {
    #[test]
    fn short_cuts_change_nothing(
        files in vec("[ab](/[ab]){0,3}/[cd]", 1..12),
        patterns in vec("!?(\\*\\*/)?[abcd*](/[abcd*]){0,2}(/\\*\\*)?", 0..6),
    ) {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let tree = Tree::new(&files);
        let selection = Selection { exclude: patterns.clone(), ..Selection::default() };
        let want = without_short_cuts(&tree, &patterns, "", &Matched::default());
        prop_assert_eq!(paths(&tree, &selection).unwrap(), want);
    }
}
