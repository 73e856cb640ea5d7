//! The walk over a context: which entries the daemon is told about, and in which order.
//!
//! BuildKit filters nothing itself. Excludes, includes and followed paths are the sender's work, and
//! so is the order: depth first, by the plain bytes of names, which is not the order of git's trees.

use std::vec::IntoIter;

use crate::{
    Context, ContextError, Entry, EntryKind,
    follow::follow_links,
    ignore::{BadPattern, Matched, Matcher},
    paths::join,
};

/// Which part of a context is wanted.
#[derive(Debug, Default, Clone)]
pub(crate) struct Selection {
    /// Patterns of which a path must match one, if there are any.
    pub(crate) include: Vec<String>,
    /// Patterns of which a path must match none: the lines of an ignore file.
    pub(crate) exclude: Vec<String>,
    /// Paths, perhaps with wildcards, which are wanted together with whatever symlinks on their way
    /// point to; everything, if there are none.
    pub(crate) follow: Vec<String>,
}

/// Whether a walk goes on.
pub(crate) type Flow = std::ops::ControlFlow<()>;

/// Longer paths could not be made by the daemon, so a tree that has them is refused here.
const LONGEST_PATH: usize = 4095;

/// Tells `emit` every selected entry with its path. A folder that is not selected itself comes, just
/// before the first selected entry under it, and not at all if there is none.
///
/// # Errors
/// The context's own, and [`ContextError::Refused`] for patterns and names that nobody could build
/// from.
pub(crate) fn walk(
    context: &dyn Context,
    selection: &Selection,
    emit: &mut dyn FnMut(&str, &EntryKind) -> Flow,
) -> Result<(), ContextError> {
    let filter = Filter::new(context, selection)?;
    let mut levels = vec![Level::root(context)?];
    while let Some(level) = levels.last_mut() {
        let Some(entry) = level.entries.next() else {
            levels.pop();
            continue;
        };
        let path = checked_path(&level.path, &entry)?;
        let Some(verdict) = filter.judge(&path, &entry.kind, level)? else {
            continue;
        };
        if verdict.selected && emit_with_parents(&mut levels, &path, &entry.kind, emit).is_break() {
            return Ok(());
        }
        if entry.kind == EntryKind::Directory {
            levels.push(Level::of(context, path, verdict)?);
        }
    }
    Ok(())
}

/// A folder that is being walked. A stack of them, instead of recursion: how deep a tree is, is
/// its author's choice.
struct Level {
    path: String,
    entries: IntoIter<Entry>,
    emitted: bool,
    included: Matched,
    excluded: Matched,
}

/// What the filter says of one entry.
struct Verdict {
    selected: bool,
    included: Matched,
    excluded: Matched,
}

impl Level {
    fn root(context: &dyn Context) -> Result<Level, ContextError> {
        let root = Verdict {
            selected: true,
            included: Matched::default(),
            excluded: Matched::default(),
        };
        Level::of(context, String::new(), root)
    }

    fn of(context: &dyn Context, path: String, verdict: Verdict) -> Result<Level, ContextError> {
        let mut entries = context.entries(&path)?;
        entries.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        Ok(Level {
            path,
            entries: entries.into_iter(),
            emitted: verdict.selected,
            included: verdict.included,
            excluded: verdict.excluded,
        })
    }
}

fn emit_with_parents(
    levels: &mut [Level],
    path: &str,
    kind: &EntryKind,
    emit: &mut dyn FnMut(&str, &EntryKind) -> Flow,
) -> Flow {
    for level in levels.iter_mut().filter(|level| !level.emitted) {
        level.emitted = true;
        emit(&level.path, &EntryKind::Directory)?;
    }
    emit(path, kind)
}

/// A tree can be made by hand to hold any name; those that mean something else as a path are
/// refused.
fn checked_path(folder: &str, entry: &Entry) -> Result<String, ContextError> {
    let name = entry.name.as_str();
    if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
        let message = format!("`{folder}` holds the name {name:?}, which no file can have");
        return Err(ContextError::Refused(message));
    }
    let path = join(folder, name);
    if path.len() > LONGEST_PATH {
        let message = format!("the path {path} is longer than {LONGEST_PATH} bytes");
        return Err(ContextError::Refused(message));
    }
    Ok(path)
}

struct Filter {
    include: Option<Matcher>,
    exclude: Option<Matcher>,
}

impl Filter {
    fn new(context: &dyn Context, selection: &Selection) -> Result<Filter, ContextError> {
        let mut include = selection.include.clone();
        if !selection.follow.is_empty() {
            include.extend(follow_links(context, &selection.follow)?.unwrap_or_default());
        }
        let matcher = |patterns: &[String]| match patterns {
            [] => Ok(None),
            patterns => Matcher::new(patterns).map(Some).map_err(refused),
        };
        Ok(Filter {
            include: matcher(&include)?,
            exclude: matcher(&selection.exclude)?,
        })
    }

    /// `None` for what is not selected and holds nothing that could be.
    fn judge(
        &self,
        path: &str,
        kind: &EntryKind,
        parent: &Level,
    ) -> Result<Option<Verdict>, ContextError> {
        let is_folder = *kind == EntryKind::Directory;
        let mut verdict = Verdict {
            selected: true,
            included: Matched::default(),
            excluded: Matched::default(),
        };
        if let Some(include) = &self.include {
            let (matched, info) = include.matches(path, &parent.included).map_err(refused)?;
            let may_hold_some = is_folder && include.may_match_below(path);
            if !matched && !may_hold_some {
                return Ok(None);
            }
            (verdict.selected, verdict.included) = (matched, info);
        }
        if let Some(exclude) = &self.exclude {
            let (matched, info) = exclude.matches(path, &parent.excluded).map_err(refused)?;
            let may_hold_some = is_folder && exclude.may_except_below(path);
            if matched && !may_hold_some {
                return Ok(None);
            }
            (verdict.selected, verdict.excluded) = (verdict.selected && !matched, info);
        }
        Ok(Some(verdict))
    }
}

fn refused(pattern: BadPattern) -> ContextError {
    ContextError::Refused(format!("path pattern {}", pattern.0))
}

#[cfg(test)]
mod tests;
