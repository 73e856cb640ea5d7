//! The platform's words about releases. Pure.

use std::collections::BTreeSet;

use builder_client::{AuthorError, BuildError, BuildEvent};
use iterapp_schema::{AppName, ApplingName, Environment};

use crate::{
    db::{
        builds::Build,
        releases::{NewRelease, Release},
        verdicts::Verdict,
    },
    release::spec::ApplingSpec,
    rollout::judge::Reason,
};

/// A commit id as people write it.
pub fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}

/// A release was made.
pub fn requested(release: &NewRelease, environment: Environment) -> String {
    format!(
        "release {} of {} to {environment}: {} {}",
        release.number,
        release.app,
        short(&release.commit),
        release.subject
    )
}

/// A newer release took over.
pub fn superseded(by: i64) -> String {
    format!("superseded: release {by} took over")
}

/// A push of a branch that is not released by itself.
pub fn other_branch(app: &AppName, branch: &str, default: &str) -> String {
    format!(
        "stored. Only the default branch `{default}` is released by itself; to deploy this one: hops deploy -a {app} -e test -r {branch}"
    )
}

/// A database cannot be made just now.
pub fn no_database_yet(reason: &str) -> String {
    format!("waiting: {reason}")
}

/// An appling's image is wanted.
pub fn building(name: &ApplingName) -> String {
    format!("[{name}] building")
}

/// An appling's image is there.
pub fn built(name: &ApplingName, build: &Build) -> String {
    format!(
        "[{name}] built {}",
        build.digest.as_deref().unwrap_or("its image")
    )
}

/// An appling's image stays.
pub fn kept(name: &ApplingName, commit: &str) -> String {
    format!(
        "[{name}] nothing it watches has changed since {}, its image stays",
        short(commit)
    )
}

/// What an appling waits for while its release command runs.
pub const COMMAND_RUNS: &str = "its release command runs";

/// What an appling waits for while an older release's command runs.
pub fn other_command(release: i64) -> String {
    format!("waits for the release command of release {release} to end")
}

/// What keeps an appling from its rollout.
pub fn releasing(name: &ApplingName, why: &str) -> String {
    format!("[{name}] {why}")
}

/// An appling's release command has done its work.
pub fn command_succeeded(name: &ApplingName) -> String {
    format!("[{name}] its release command succeeded")
}

/// An appling's rollout goes on.
pub fn waiting(name: &ApplingName, why: &str) -> String {
    format!("[{name}] rolling out: {why}")
}

/// An appling is on the release.
pub fn live(spec: &ApplingSpec, urls: &[String]) -> String {
    let emoji = spec
        .emoji
        .as_ref()
        .map_or(String::new(), |emoji| format!("{emoji} "));
    let what = format!("[{}] {emoji}live", spec.name);
    match urls {
        [] => what,
        urls => format!("{what}: {}", urls.join(" ")),
    }
}

/// An appling is gone.
pub fn removed(name: &ApplingName) -> String {
    format!("[{name}] removed: iterapp.toml does not name it any more")
}

/// An appling stays on the version before.
pub fn appling_failed(name: &ApplingName, reason: &str) -> String {
    let mut lines = reason.lines();
    let first = format!(
        "[{name}] failed: {}",
        lines.next().unwrap_or("for no known reason")
    );
    std::iter::once(first)
        .chain(lines.map(|line| format!("    {line}")))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Why a candidate did not become ready, for its author.
pub fn rollout_failure(reason: &Reason) -> String {
    let mut lines = vec![reason.summary.clone()];
    if !reason.details.is_empty() {
        lines.push("its last lines:".to_owned());
        lines.extend(reason.details.iter().map(|line| format!("    {line}")));
    }
    lines.extend(reason.hint.iter().map(|hint| format!("hint: {hint}")));
    lines.join("\n")
}

/// Every appling is on the release.
pub fn release_live(release: &Release) -> String {
    format!(
        "release {} of {} is live in {}",
        release.number, release.app, release.environment
    )
}

/// Nothing of a release was tried.
pub fn release_failed(release: &Release, reason: &str) -> String {
    format!(
        "release {} failed; nothing was changed\n{reason}",
        release.number
    )
}

/// Some applings of a release, or all, did not make it.
pub fn release_failed_partly(release: &Release, failed: &[&Verdict], all: usize) -> String {
    let names: Vec<&str> = failed
        .iter()
        .map(|verdict| verdict.appling.as_ref())
        .collect();
    let partly = if failed.len() < all {
        ", the others are live"
    } else {
        ""
    };
    let kept = if failed.len() == 1 {
        "it stays on the version before, if there is one"
    } else {
        "they stay on the versions before, if there are any"
    };
    format!(
        "release {} failed for {}{partly}; {kept}",
        release.number,
        names.join(", ")
    )
}

/// The reason of a failed release: those of its applings.
pub fn failed_reason(failed: &[&Verdict], all: usize) -> String {
    let reasons = failed.iter().map(|verdict| {
        let reason = verdict.reason.as_deref().unwrap_or("for no known reason");
        if all == 1 {
            reason.to_owned()
        } else {
            format!("{}: {reason}", verdict.appling)
        }
    });
    reasons.collect::<Vec<_>>().join("\n")
}

/// A domain, or what is to redirect to one, is another app's.
pub fn host_taken(host: &str, owner: &str, redirects_to: Option<&str>) -> String {
    let what = match redirects_to {
        None => format!("the domain {host}"),
        Some(domain) => {
            format!("the host {host}, which `from_to_www_redirect` is to redirect to {domain},")
        }
    };
    format!(
        "{what} belongs to the app {owner}, which claimed it first\n\
         hint: remove it from `domains` there and deploy {owner} to prod, or choose another one here"
    )
}

/// A build's events as lines of its log. A step is told as done once: BuildKit lets steps start
/// again, for parts that nobody asked about.
#[derive(Debug, Default)]
pub struct BuildLog {
    done: BTreeSet<u32>,
}

impl BuildLog {
    /// What happened, as a line; nothing for what nobody wants to read.
    pub fn line(&mut self, event: &BuildEvent) -> Option<String> {
        match event {
            BuildEvent::Started {
                step,
                name,
                again: false,
            } => Some(format!("#{step} {name}")),
            BuildEvent::Cached { step, name } => Some(format!("#{step} CACHED {name}")),
            BuildEvent::Done {
                step,
                duration,
                error: None,
            } if self.done.insert(*step) => {
                Some(format!("#{step} DONE {:.1}s", duration.as_secs_f64()))
            }
            BuildEvent::Done {
                step,
                error: Some(error),
                ..
            } => Some(format!("#{step} ERROR: {error}")),
            BuildEvent::Log { step, line, .. } => Some(format!("#{step} {line}")),
            BuildEvent::Warning { step, message, .. } => {
                Some(format!("#{step} WARNING: {message}"))
            }
            BuildEvent::Started { .. } | BuildEvent::Done { .. } | BuildEvent::Progress { .. } => {
                None
            }
        }
    }
}

/// Why a build failed, for its author: one clear sentence first.
pub fn build_failure(error: &BuildError) -> String {
    match error {
        BuildError::Author(error) => author_failure(error),
        BuildError::Platform(error) => format!(
            "the image could not be built, and it is not the app's fault: {}",
            error.message
        ),
    }
}

fn author_failure(error: &AuthorError) -> String {
    let mut lines = vec![match (&error.step, error.exit_code) {
        (Some(step), Some(code)) => format!("the build failed: {step} ended with exit code {code}"),
        (Some(step), None) => format!("the build failed at {step}: {}", error.message),
        (None, _) => format!("the build failed: {}", error.message),
    }];
    if let Some(place) = &error.place {
        lines.push(format!("  --> {}:{}", place.file, place.line_start));
        let numbered = place.excerpt.iter().zip(place.line_start..);
        lines.extend(numbered.map(|(text, number)| format!("{number:5} | {text}")));
    }
    if !error.last_lines.is_empty() {
        lines.push("its last lines:".to_owned());
        lines.extend(error.last_lines.iter().map(|line| format!("    {line}")));
    }
    lines.join("\n")
}
