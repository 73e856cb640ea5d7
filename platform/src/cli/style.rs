//! Colours, in one place. They are taken out again when the output is no terminal or `NO_COLOR` is
//! set.

use std::fmt;

use clap::builder::styling::AnsiColor;
pub use clap::builder::styling::Style;

use crate::api::{ApplingState, Release, ReleaseState};

use super::table::Cell;

/// Headings of tables.
pub const HEADING: Style = Style::new().dimmed();
/// What matters most in a line.
pub const STRONG: Style = Style::new().bold();
/// What matters least.
pub const FAINT: Style = Style::new().dimmed();
/// What is as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What is on its way.
pub const UNDERWAY: Style = AnsiColor::Yellow.on_default();
/// What went wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Advice.
pub const ADVICE: Style = AnsiColor::Cyan.on_default();

/// A text in a style.
pub fn paint(style: Style, text: impl fmt::Display) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        if style == Style::new() {
            write!(f, "{text}")
        } else {
            write!(f, "{style}{text}{style:#}")
        }
    })
}

/// Where a release stands, in words.
pub fn release_state(release: &Release) -> Cell {
    let live = |state| matches!(state, ApplingState::Live);
    let partly = release.applings.iter().any(|appling| live(appling.state));
    match release.state {
        ReleaseState::Queued => Cell::styled("queued", UNDERWAY),
        ReleaseState::Running => Cell::styled("running", UNDERWAY),
        ReleaseState::Live => Cell::styled("live", GOOD),
        ReleaseState::Failed if partly => Cell::styled("failed, partly live", BAD),
        ReleaseState::Failed => Cell::styled("failed", BAD),
        ReleaseState::Superseded => Cell::styled("superseded", FAINT),
        ReleaseState::Cancelled => Cell::styled("cancelled", FAINT),
    }
}

/// Where an appling of a release stands, in words.
pub fn appling_state(state: ApplingState) -> Cell {
    match state {
        ApplingState::Building => Cell::styled("building", UNDERWAY),
        ApplingState::Releasing => Cell::styled("releasing", UNDERWAY),
        ApplingState::RollingOut => Cell::styled("rolling out", UNDERWAY),
        ApplingState::Live => Cell::styled("live", GOOD),
        ApplingState::Failed => Cell::styled("failed", BAD),
        ApplingState::Superseded => Cell::styled("superseded", FAINT),
        ApplingState::Removed => Cell::styled("removed", FAINT),
    }
}
