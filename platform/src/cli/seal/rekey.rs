//! `hops seal --rekey`: sealed values of a repository, sealed anew in place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use iterapp_schema::{AppName, Sources, assemble};
use serde_json::json;

use crate::api::{Reseal, Resealed};
use crate::cli::client::ANSWER;
use crate::cli::failure::Failure;
use crate::cli::local::Folder;
use crate::cli::target::AppArgument;
use crate::cli::{Context, check};
use crate::secrets::sealed::Sealed;

/// Values that are sent at once.
const BATCH: usize = 200;

/// Has every sealed value of the files sealed with the newest key, and writes those files whose values
/// changed. A file is written when all its values opened.
pub async fn rekey(app: AppArgument, dir: &Path, context: &mut Context) -> Result<(), Failure> {
    let client = context.client()?;
    let app = app.choose(context, client.url())?;
    let root = context.folder.join(dir);
    let root = root
        .canonicalize()
        .map_err(|error| Failure::usage(format!("{} is no folder", dir.display())).cause(error))?;
    let folder = Folder(root);
    let sources = assemble(&app, &folder).sources;
    let found = sealed_values(&sources);
    let mut anew = BTreeMap::new();
    for batch in found.iter().cloned().collect::<Vec<_>>().chunks(BATCH) {
        let body = Reseal {
            values: batch.to_vec(),
        };
        let path = ["apps", app.as_ref(), "reseal"];
        let answers: Vec<Resealed> = client.post(&path, &body, ANSWER).await?;
        anew.extend(batch.iter().cloned().zip(answers));
    }
    let written = write(&folder, &app, &sources, &anew)?;
    let ui = &mut context.ui;
    if ui.is_json() {
        return ui.json(&json!({ "rewritten": written }));
    }
    for (file, count) in &written {
        let values = if *count == 1 { "value" } else { "values" };
        ui.line(format_args!("{file}: {count} {values} sealed anew"))?;
    }
    if written.is_empty() {
        ui.note(match found.len() {
            0 => "there is no sealed value in the files",
            _ => "every value is sealed with the newest key already",
        });
    } else {
        ui.hint("commit and push, and release every environment: what runs needs the old key until then");
    }
    Ok(())
}

/// The texts in the files that are sealed values: they are long, and by their form nothing else.
fn sealed_values(sources: &Sources) -> BTreeSet<String> {
    let quoted = sources.iter().flat_map(|(_, text)| text.split(['"', '\'']));
    let sealed = quoted.filter(|text| text.parse::<Sealed>().is_ok());
    sealed.map(str::to_owned).collect()
}

fn write(
    folder: &Folder,
    app: &AppName,
    sources: &Sources,
    anew: &BTreeMap<String, Resealed>,
) -> Result<BTreeMap<String, usize>, Failure> {
    let mut written = BTreeMap::new();
    for (file, text) in sources.iter() {
        let mut changed = text.to_owned();
        let mut count = 0;
        for (old, new) in anew.iter().filter(|(old, _)| text.contains(*old)) {
            match new {
                Resealed::Value(new) if new == old => {}
                Resealed::Value(new) => {
                    count += changed.matches(old).count();
                    changed = changed.replace(old, new);
                }
                Resealed::Shut(reason) => {
                    let at = text.find(old).unwrap_or_default();
                    let (line, _) = iterapp_schema::line_column(text, at);
                    return Err(Failure::failed(
                        "not_opened",
                        format!("{file}:{line}: the value {reason}"),
                    )
                    .hint(format!(
                        "is this the repository of {app}? This file was not changed"
                    )));
                }
            }
        }
        if count > 0 {
            check::fix::write(folder, file, &changed)?;
            written.insert(file.to_owned(), count);
        }
    }
    Ok(written)
}
