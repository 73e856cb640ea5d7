use std::collections::BTreeMap;

use crate::{AppName, Assembled, assemble, render};

fn shop(files: &[(&str, &str)]) -> Assembled {
    let bytes = |(path, text): &(&str, &str)| ((*path).to_owned(), text.as_bytes().to_vec());
    let repository: BTreeMap<_, _> = files.iter().map(bytes).collect();
    assemble(&AppName::parse("shop").unwrap(), &repository)
}

/// Mistakes in two files, one of them with a second place, and one without any.
fn several() -> Assembled {
    shop(&[
        (
            "iterapp.toml",
            "applings = ['web', 'api', 'gone']\nprot = 1\n",
        ),
        ("web/iterapp.toml", "domains = [\"a.no\"]\n"),
        ("web/Dockerfile", ""),
        (
            "api/iterapp.toml",
            "port = \"80\"\nreplicas = \"\"\"\ntwo\n\"\"\"\ndomains = [\"a.no\"]\n",
        ),
        ("api/Dockerfile", ""),
    ])
}

#[test]
fn github_annotates_the_lines() {
    let Assembled {
        diagnostics,
        sources,
        ..
    } = several();
    insta::assert_snapshot!(render::github(&diagnostics, &sources, ""));
}

#[test]
fn github_is_told_where_the_repository_lies_and_of_whole_files() {
    let Assembled {
        diagnostics,
        sources,
        ..
    } = shop(&[("Dockerfile", "")]);
    let told = render::github(&diagnostics, &sources, "services/a,b:c/");
    assert!(
        told.starts_with("::error file=services/a%2Cb%3Ac/iterapp.toml,title=E0101::there is no"),
        "{told}"
    );
}

#[test]
fn a_file_cannot_give_github_commands() {
    let key = "\"x\\n::set-env name=PATH::/tmp\\r\\n::error::100%\" = 1\n";
    let Assembled {
        diagnostics,
        sources,
        ..
    } = shop(&[("Dockerfile", ""), ("iterapp.toml", key)]);
    let told = render::github(&diagnostics, &sources, "");
    assert_eq!(told.lines().count(), diagnostics.len(), "{told}");
    assert!(
        told.lines().all(|line| line.starts_with("::error file=")),
        "{told}"
    );
    assert!(told.contains("100%25"), "{told}");
}

#[test]
fn a_comment_shows_what_a_terminal_does() {
    let Assembled {
        diagnostics,
        sources,
        ..
    } = several();
    insta::assert_snapshot!(render::markdown(&diagnostics, &sources));
    assert_eq!(render::markdown(&[], &sources), "");
}

#[test]
fn a_file_cannot_get_out_of_a_comment() {
    let text =
        "\"a````b\" = 1\n'</code></pre><img src=x>@everyone' = 1\nx = '''\n```\n# out\n'''\n";
    let Assembled {
        diagnostics,
        sources,
        ..
    } = shop(&[("Dockerfile", ""), ("iterapp.toml", text)]);
    let comment = render::markdown(&diagnostics, &sources);
    let fence = "`".repeat(5);
    let fences: Vec<&str> = comment
        .lines()
        .filter(|line| line.starts_with(&fence))
        .collect();
    assert_eq!(fences, [format!("{fence}text"), fence], "{comment}");
    let outside = comment.lines().next().unwrap();
    assert_eq!(outside, "**3 errors**");
    assert!(comment.ends_with("`````\n"), "{comment}");
}

#[test]
fn a_comment_is_never_too_long() {
    let text: String = (0..100)
        .map(|n| format!("{}{n} = 1\n", "x".repeat(600)))
        .collect();
    let Assembled {
        diagnostics,
        sources,
        ..
    } = shop(&[("Dockerfile", ""), ("iterapp.toml", &text)]);
    let comment = render::markdown(&diagnostics, &sources);
    assert!(comment.len() < 61_000, "{}", comment.len());
    assert!(
        comment.ends_with(" more, which `hops check` shows.\n"),
        "{comment}"
    );
}
