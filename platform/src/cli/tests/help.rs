use clap::CommandFactory;

use crate::cli::Cli;

/// The help text of a command, as `hops WORDS --help` prints it.
fn help(words: &str) -> String {
    let mut command = Cli::command();
    command.build();
    let found = words
        .split_whitespace()
        .fold(&mut command, |command, word| {
            command
                .find_subcommand_mut(word)
                .expect("the command exists")
        });
    found.render_long_help().to_string()
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn help_texts() {
    insta::assert_snapshot!("help", help(""));
    insta::assert_snapshot!("help_apps_create", help("apps create"));
    insta::assert_snapshot!("help_deploy", help("deploy"));
    insta::assert_snapshot!("help_logs", help("logs"));
}

#[test]
fn every_command_that_does_something_has_examples() {
    for words in [
        "",
        "apps create",
        "deploy",
        "diff",
        "status",
        "releases",
        "logs",
        "init",
        "check",
        "explain",
        "plan",
        "lsp",
        "open",
        "login",
    ] {
        assert!(help(words).contains("Examples:"), "{words}");
    }
}
