//! Paths of a context, handled as text: always `/`, never the local file system.

/// The shortest path that means the same: no empty, `.` or inner `..` parts, no trailing `/`. A
/// leading `/` stays (and nothing climbs above it); an empty path becomes `.`. The rules are those
/// of Go's `path.Clean`, which BuildKit's own clients apply to patterns and link targets.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// `path` as seen from the root: cleaned, without a leading `/`, and never above the root. The root
/// itself is `""`.
pub(crate) fn in_root(path: &str) -> String {
    clean(&format!("/{path}"))[1..].to_owned()
}

/// `name` in `folder`, where the root is `""`.
pub(crate) fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

/// The folder that holds `path`, and the plain name in it.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning_keeps_the_meaning() {
        let cases = [
            ("", "."),
            ("a/b/", "a/b"),
            ("a//b/./c", "a/b/c"),
            ("a/../b", "b"),
            ("a/..", "."),
            ("../a", "../a"),
            ("a/../../b", "../b"),
            ("/../a", "/a"),
            ("/", "/"),
            ("**/", "**"),
        ];
        for (path, want) in cases {
            assert_eq!(clean(path), want, "{path}");
        }
    }

    #[test]
    fn nothing_climbs_above_the_root() {
        let cases = [
            ("../../a", "a"),
            ("/", ""),
            (".", ""),
            ("a/../..", ""),
            ("./a/", "a"),
        ];
        for (path, want) in cases {
            assert_eq!(in_root(path), want, "{path}");
        }
    }
}
