//! A release as people read it.

use iterapp_schema::AppName;

use crate::api::{ApplingState, Release, ReleaseState};

use super::failure::Failure;
use super::harmless;
use super::style::{STRONG, appling_state, paint, release_state};
use super::table::Table;
use super::time;
use super::ui::{Ui, harmless_lines};

/// The first digits of a commit, as many as people compare.
pub fn short(commit: &str) -> String {
    harmless::text(commit).chars().take(8).collect()
}

/// `release 12 of hello to test: main (abc1234)`.
pub fn headline(release: &Release) -> String {
    let Release {
        number,
        app,
        environment,
        reference,
        commit,
        ..
    } = release;
    let what = format!("release {number} of {app} to {environment}");
    let version = match (reference.as_str(), short(commit)) {
        (reference, short) if short.is_empty() || reference.starts_with(&short) => {
            short_reference(reference)
        }
        (reference, short) => format!("{} ({short})", harmless::text(reference)),
    };
    format!("{}: {version}", paint(STRONG, what))
}

/// The command that shows a release's log.
pub fn log_command(app: &AppName, number: i64) -> String {
    format!("hops logs -a {app} --release {number}")
}

/// How a release ended: its applings with their addresses, and why some did not make it.
pub fn ended(ui: &mut Ui, release: &Release) -> Result<(), Failure> {
    ui.line(headline(release))?;
    if !release.applings.is_empty() {
        ui.line("")?;
        ui.text(&applings(release).render())?;
    }
    reasons(ui, release, "")
}

/// Why a release, or some of its applings, did not become live; each line behind `indent`.
pub fn reasons(ui: &mut Ui, release: &Release, indent: &str) -> Result<(), Failure> {
    let failed = release
        .applings
        .iter()
        .filter(|appling| appling.state == ApplingState::Failed);
    let of_applings: Vec<_> = failed
        .filter_map(|appling| Some((Some(&appling.name), appling.reason.as_ref()?)))
        .collect();
    let repeats = |reason: &String| of_applings.iter().any(|(_, told)| told.contains(reason));
    let of_release = release.reason.iter().filter(|reason| !repeats(reason));
    let of_release: Vec<_> = of_release.map(|reason| (None, reason)).collect();
    for (appling, reason) in of_release.into_iter().chain(of_applings) {
        let about = appling.map_or_else(|| "why".to_owned(), ToString::to_string);
        let about = paint(STRONG, about + ":");
        let inner = format!("{indent}  ");
        let gap = match reason.trim_end().contains('\n') {
            true => format!("\n{inner}"),
            false => " ".to_owned(),
        };
        let reason = harmless_lines(reason, &inner);
        ui.line(format_args!("\n{indent}{about}{gap}{reason}"))?;
    }
    Ok(())
}

/// Nothing if the release is live, else a failure that says what it is instead.
pub fn verdict(release: &Release) -> Result<(), Failure> {
    let Release {
        number,
        app,
        environment,
        state,
        ..
    } = release;
    let what = format!("release {number} of {app} to {environment}");
    let (code, message) = match state {
        ReleaseState::Live => return Ok(()),
        ReleaseState::Failed => (
            "release_failed",
            format!("{what} failed{}", which_failed(release)),
        ),
        ReleaseState::Superseded => (
            "release_superseded",
            format!("{what} was superseded by a newer one"),
        ),
        ReleaseState::Cancelled => ("release_cancelled", format!("{what} was cancelled")),
        ReleaseState::Queued | ReleaseState::Running => {
            ("release_unfinished", format!("{what} has not ended"))
        }
    };
    let hint = match state {
        ReleaseState::Superseded => format!("hops releases -a {app} -e {environment}"),
        _ => log_command(app, *number),
    };
    Err(Failure::failed(code, message).hint(hint))
}

fn which_failed(release: &Release) -> String {
    let failed = release
        .applings
        .iter()
        .filter(|appling| appling.state == ApplingState::Failed);
    let names: Vec<String> = failed.map(|appling| appling.name.to_string()).collect();
    match (names.len(), release.applings.len()) {
        (0, _) | (_, 1) => String::new(),
        (failed, all) if failed == all => " in all its applings".to_owned(),
        _ => format!(
            " in {}; the other applings are not touched by that",
            names.join(", ")
        ),
    }
}

fn applings(release: &Release) -> Table {
    let mut table = Table::new(["APPLING", "STATE", "ADDRESS"]);
    for appling in &release.applings {
        let live = appling.state == ApplingState::Live;
        let url = appling.urls.first().filter(|_| live).cloned();
        table.row([
            appling.name.to_string().into(),
            appling_state(appling.state),
            url.unwrap_or_default().into(),
        ]);
    }
    table
}

/// The rows of several releases.
pub fn table(releases: &[Release], ui: &Ui) -> Table {
    let headings = [
        "RELEASE",
        "ENVIRONMENT",
        "STATE",
        "REF",
        "COMMIT",
        "CAUSE",
        "WHEN",
        "TOOK",
        "SUBJECT",
    ];
    let mut table = Table::new(headings);
    for release in releases {
        let took = release
            .ended_at
            .map(|ended| time::took(ended.duration_since(release.created_at)));
        table.row([
            release.number.to_string().into(),
            release.environment.to_string().into(),
            release_state(release),
            short_reference(&release.reference).into(),
            short(&release.commit).into(),
            release.cause.as_str().into(),
            time::ago(release.created_at, ui.now()).into(),
            took.unwrap_or_default().into(),
            subject(release).into(),
        ]);
    }
    table
}

/// What the commit is about, as far as a line has room for it.
pub fn subject(release: &Release) -> String {
    match release.subject.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &release.subject[..end]),
        None => release.subject.clone(),
    }
}

/// A commit shortened, a branch or a tag as it is.
pub fn short_reference(reference: &str) -> String {
    let is_commit = reference.len() == 40 && reference.chars().all(|c| c.is_ascii_hexdigit());
    match is_commit {
        true => short(reference),
        false => harmless::text(reference).into_owned(),
    }
}
