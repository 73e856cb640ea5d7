//! Cases as moby/patternmatcher's own tests have them, as tables.

use super::{
    Matched, Matcher,
    pattern::{Shape, translate},
};

/// The verdict on `path` after asking folder by folder, as a walk does; `None` for a bad pattern.
fn verdict(patterns: &[&str], path: &str) -> Option<bool> {
    let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
    let matcher = Matcher::new(&patterns).ok()?;
    let mut above = Matched::default();
    for (end, _) in path.match_indices('/').filter(|(i, _)| *i > 0) {
        above = matcher.matches(&path[..end], &above).ok()?.1;
    }
    Some(matcher.matches(path, &above).ok()?.0)
}

fn check(cases: &[(&str, &str, bool)]) {
    for (pattern, path, want) in cases {
        assert_eq!(
            verdict(&[pattern], path),
            Some(*want),
            "{pattern} on {path}"
        );
    }
}

#[test]
fn double_stars_cross_folders() {
    check(&[
        ("**", "file", true),
        ("**", "file/", true),
        ("**/", "file", true),
        ("**/", "file/", true),
        ("**", "/", true),
        ("**/", "/", true),
        ("**", "dir/file", true),
        ("**/", "dir/file", true),
        ("**", "dir/file/", true),
        ("**/", "dir/file/", true),
        ("**/**", "dir/file", true),
        ("**/**", "dir/file/", true),
        ("dir/**", "dir/file", true),
        ("dir/**", "dir/file/", true),
        ("dir/**", "dir/dir2/file", true),
        ("dir/**", "dir/dir2/file/", true),
        ("**/dir", "dir", true),
        ("**/dir", "dir/file", true),
        ("**/dir2/*", "dir/dir2/file", true),
        ("**/dir2/*", "dir/dir2/file/", true),
        ("**/dir2/**", "dir/dir2/dir3/file", true),
        ("**/dir2/**", "dir/dir2/dir3/file/", true),
        ("**file", "file", true),
        ("**file", "dir/file", true),
        ("**/file", "dir/file", true),
        ("**file", "dir/dir/file", true),
        ("**/file", "dir/dir/file", true),
        ("**/file*", "dir/dir/file", true),
        ("**/file*", "dir/dir/file.txt", true),
        ("**/file*txt", "dir/dir/file.txt", true),
        ("**/file*.txt", "dir/dir/file.txt", true),
        ("**/file*.txt*", "dir/dir/file.txt", true),
        ("**/**/*.txt", "dir/dir/file.txt", true),
        ("**/**/*.txt2", "dir/dir/file.txt", false),
        ("**/*.txt", "file.txt", true),
        ("**/**/*.txt", "file.txt", true),
        ("a**/*.txt", "a/file.txt", true),
        ("a**/*.txt", "a/dir/file.txt", true),
        ("a**/*.txt", "a/dir/dir/file.txt", true),
        ("**/foo/bar", "foo/bar", true),
        ("**/foo/bar", "dir/foo/bar", true),
        ("**/foo/bar", "dir/dir2/foo/bar", true),
        ("abc/**", "abc", false),
        ("abc/**", "abc/def", true),
        ("abc/**", "abc/def/ghi", true),
        ("**/.foo", ".foo", true),
        ("**/.foo", "bar.foo", false),
    ]);
}

#[test]
fn single_wildcards_stay_in_their_folder() {
    check(&[
        ("*", "fileutils.go", true),
        ("*.go", "fileutils.go", true),
        ("a/*.txt", "a/dir/file.txt", false),
        ("a/*.txt", "a/file.txt", true),
        ("a/*.txt**", "a/file.txt", true),
        ("a[b-d]e", "ae", false),
        ("a[b-d]e", "ace", true),
        ("a[b-d]e", "aae", false),
        ("a[^b-d]e", "aze", true),
        (".*", ".foo", true),
        (".*", "foo", false),
        ("abc.def", "abcdef", false),
        ("abc.def", "abc.def", true),
        ("abc.def", "abcZdef", false),
        ("abc?def", "abcZdef", true),
        ("abc?def", "abcdef", false),
        ("a\\\\", "a\\", true),
        ("a\\*b", "a*b", true),
        ("a(b)c/def", "a(b)c/def", true),
        ("a(b)c/def", "a(b)c/xyz", false),
        ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
        (WHEEL, WHEEL, true),
        ("dist/*.whl", WHEEL, true),
    ]);
}

const WHEEL: &str = "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl";

#[test]
fn the_last_pattern_that_matches_decides() {
    let not_wheel = format!("!{WHEEL}");
    let cases: &[(&[&str], &str, bool)] = &[
        (&["!fileutils.go", "*.go"], "fileutils.go", true),
        (&["*.go", "!fileutils.go"], "fileutils.go", false),
        (&["docs", "!docs/README.md"], "docs/README.md", false),
        (&["docs/", "!docs/README.md"], "docs/README.md", false),
        (&["docs/*", "!docs/README.md"], "docs/README.md", false),
        (&["docs", "  !docs/README.md  "], "docs/README.md", false),
        (&["docs", "!docs/README.md"], "docs/other.md", true),
        (&["**", "!util/docker/web"], "util/docker/web/foo", false),
        (
            &["**", "!util/docker/web", "util/docker/web/foo"],
            "util/docker/web/foo",
            true,
        ),
        (&["**", &not_wheel], WHEEL, false),
        (&["**", "!dist/*.whl"], WHEEL, false),
        (&["", "  "], "anything", false),
        (&[], "any/path/there", false),
    ];
    for (patterns, path, want) in cases {
        assert_eq!(
            verdict(patterns, path),
            Some(*want),
            "{patterns:?} on {path}"
        );
    }
}

/// Go's own cases for `filepath.Match`; `None` is a bad pattern.
#[test]
fn classes_and_escapes_are_gos() {
    let cases: &[(&str, &str, Option<bool>)] = &[
        ("abc", "abc", Some(true)),
        ("*", "abc", Some(true)),
        ("*c", "abc", Some(true)),
        ("a*", "a", Some(true)),
        ("a*", "abc", Some(true)),
        ("a*", "ab/c", Some(true)),
        ("a*/b", "abc/b", Some(true)),
        ("a*/b", "a/c/b", Some(false)),
        ("a*b*c*d*e*/f", "axbxcxdxe/f", Some(true)),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/f", Some(true)),
        ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", Some(false)),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", Some(false)),
        ("a*b?c*x", "abxbbxdbxebxczzx", Some(true)),
        ("a*b?c*x", "abxbbxdbxebxczzy", Some(false)),
        ("ab[c]", "abc", Some(true)),
        ("ab[b-d]", "abc", Some(true)),
        ("ab[e-g]", "abc", Some(false)),
        ("ab[^c]", "abc", Some(false)),
        ("ab[^b-d]", "abc", Some(false)),
        ("ab[^e-g]", "abc", Some(true)),
        ("a\\*b", "a*b", Some(true)),
        ("a\\*b", "ab", Some(false)),
        ("a?b", "a☺b", Some(true)),
        ("a[^a]b", "a☺b", Some(true)),
        ("a???b", "a☺b", Some(false)),
        ("a[^a][^a][^a]b", "a☺b", Some(false)),
        ("[a-ζ]*", "α", Some(true)),
        ("*[a-ζ]", "A", Some(false)),
        ("a?b", "a/b", Some(false)),
        ("a*b", "a/b", Some(false)),
        ("[\\]a]", "]", Some(true)),
        ("[\\-]", "-", Some(true)),
        ("[x\\-]", "x", Some(true)),
        ("[x\\-]", "-", Some(true)),
        ("[x\\-]", "z", Some(false)),
        ("[\\-x]", "x", Some(true)),
        ("[\\-x]", "-", Some(true)),
        ("[\\-x]", "a", Some(false)),
        ("[]a]", "]", None),
        ("[-]", "-", None),
        ("[x-]", "x", None),
        ("[-x]", "x", None),
        ("\\", "a", None),
        ("[a-b-c]", "a", None),
        ("[", "a", None),
        ("[^", "a", None),
        ("[^bc", "a", None),
        ("a[", "a", None),
        ("a[", "ab", None),
        ("*x", "xxx", Some(true)),
    ];
    for (pattern, path, want) in cases {
        assert_eq!(verdict(&[pattern], path), *want, "{pattern} on {path}");
        let alone = super::glob::Glob::parse(pattern).ok();
        // A path below a matched folder is meant by an ignore file, and not by a plain glob.
        if !path.contains('/') {
            assert_eq!(alone.map(|g| g.matches(path)), *want, "glob {pattern}");
        }
    }
}

#[test]
fn a_class_that_holds_nothing_fails_when_it_is_needed() {
    assert_eq!(verdict(&["[Local-Only]/"], "x"), None);
    assert_eq!(verdict(&["!"], "x"), None);
    assert_eq!(verdict(&["y", "![Local-Only]/"], "x"), Some(false));
}

#[test]
fn characters_special_to_one_dialect_only_are_themselves() {
    check(&[
        ("[a&&b]*", "&x", true),
        ("[a~~b]*", "~x", true),
        ("[[]*", "[x", true),
        ("a]*", "a]b", true),
        ("a#b*", "a#bc", true),
        ("a-\\~*", "a-~c", true),
    ]);
}

#[test]
fn each_pattern_is_matched_in_the_cheapest_way() {
    let cases = [
        ("*", Shape::Regex, "^[^/]*$"),
        ("file*", Shape::Regex, "^file[^/]*$"),
        ("*file", Shape::Regex, "^[^/]*file$"),
        ("a*/b", Shape::Regex, "^a[^/]*/b$"),
        ("**", Shape::Suffix, ""),
        ("**/**", Shape::Regex, "^(.*/)?.*$"),
        ("dir/**", Shape::Prefix, ""),
        ("**/dir", Shape::Suffix, ""),
        ("**/dir2/*", Shape::Regex, "^(.*/)?dir2/[^/]*$"),
        ("**/dir2/**", Shape::Regex, "^(.*/)?dir2/.*$"),
        ("**file", Shape::Suffix, ""),
        ("**/file*txt", Shape::Regex, "^(.*/)?file[^/]*txt$"),
        ("**/**/*.txt", Shape::Regex, r"^(.*/)?(.*/)?[^/]*\.txt$"),
        ("a[b-d]e", Shape::Regex, "^a[b-d]e$"),
        (".*", Shape::Regex, r"^\.[^/]*$"),
        ("abc.def", Shape::Exact, ""),
        ("abc?def", Shape::Regex, "^abc[^/]def$"),
        ("**/foo/bar", Shape::Suffix, ""),
        ("a(b)c/def", Shape::Exact, ""),
        ("a.|)$(}+{bc", Shape::Exact, ""),
        (WHEEL, Shape::Exact, ""),
    ];
    for (pattern, shape, expression) in cases {
        let (got, regex) = translate(pattern);
        assert_eq!(got, shape, "{pattern}");
        if shape == Shape::Regex {
            assert_eq!(regex, expression, "{pattern}");
        }
    }
}
