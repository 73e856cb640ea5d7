//! An appling's folder: its `iterapp.toml` and its Dockerfile.

use crate::appling_file::ApplingFile;
use crate::assemble::{FILE_NAME, Found, Reading, in_root};
use crate::diagnostic::{Code, Diagnostic, Edit, Fix};
use crate::file::toml_string;
use crate::format::At;
use crate::format::top::Role;
use crate::names::ApplingName;
use crate::root_file::Folder;
use crate::source::Repository;

/// The smallest file that says something; an empty one is as good.
const MINIMAL: &str = "port = 3000   # where your container answers HTTP";

/// Other names under which people keep a Dockerfile.
const MISNAMED: [&str; 4] = [
    "dockerfile",
    "DockerFile",
    "Dockerfile.prod",
    "Containerfile",
];

/// The repository's root as an appling; its file has been read already.
pub fn root(
    reading: &mut Reading,
    entry: Option<Folder>,
    contents: ApplingFile,
    app: ApplingName,
) -> Option<Found> {
    let name = contents
        .name
        .as_ref()
        .map_or(app, |name| name.value.clone());
    found(reading, String::new(), entry, contents, Some(name))
}

/// A folder that the root file lists.
pub fn listed(reading: &mut Reading, entry: Folder) -> Option<Found> {
    let path = join(&entry.path, FILE_NAME);
    let repository = reading.repository;
    let contents = reading.read(
        &path,
        || missing_file(repository, &entry),
        |table, file| ApplingFile::read(table, Role::Appling, file),
    )?;
    let last = entry.path.rsplit('/').next().unwrap_or(&entry.path);
    let name = match &contents.name {
        Some(name) => Some(name.value.clone()),
        None => ApplingName::parse(last)
            .map_err(|error| {
                let message = format!("the appling is called like its folder, and {error}");
                let hint = format!("set `name` in `{path}`; {}", error.hint());
                reading.report(in_root(Code::BadName, Some(&entry), message).hint(hint));
            })
            .ok(),
    };
    found(reading, entry.path.clone(), Some(entry), contents, name)
}

fn found(
    reading: &mut Reading,
    folder: String,
    entry: Option<Folder>,
    contents: ApplingFile,
    name: Option<ApplingName>,
) -> Option<Found> {
    let file = join(&folder, FILE_NAME);
    let dockerfile = match &contents.dockerfile {
        Some(named) => {
            if !reading.repository.is_file(&named.value) {
                reading.report(missing_named_dockerfile(
                    reading.repository,
                    &folder,
                    &file,
                    named,
                ));
            }
            named.value.clone()
        }
        None => {
            let dockerfile = join(&folder, "Dockerfile");
            if !reading.repository.is_file(&dockerfile) {
                let problem = missing_dockerfile(reading.repository, &folder, entry.as_ref());
                reading.report(problem);
            }
            dockerfile
        }
    };
    Some(Found {
        file,
        entry,
        name: name?,
        folder,
        dockerfile,
        contents,
    })
}

/// The problem of a repository that has no `iterapp.toml`.
pub fn missing_root() -> Diagnostic {
    let message = "there is no `iterapp.toml` in the repository's root, which every app has";
    Diagnostic::new(Code::RootFileMissing, FILE_NAME, message).hint(format!(
        "add one and commit it; it may be empty, or as short as this:\n{MINIMAL}"
    ))
}

fn missing_file(repository: &dyn Repository, entry: &Folder) -> Diagnostic {
    let folder = &entry.path;
    let (message, hint) = if repository.is_dir(folder) {
        let message = format!("the appling's folder `{folder}` has no `iterapp.toml`");
        (
            message,
            format!(
                "add `{folder}/iterapp.toml`; it may be empty, or as short as this:\n{MINIMAL}"
            ),
        )
    } else if repository.is_file(folder) {
        let message = format!("`{folder}` is a file; `applings` lists folders");
        (
            message,
            "list the folder that has the appling's `iterapp.toml` and Dockerfile".to_owned(),
        )
    } else {
        let message = format!("there is no folder `{folder}` in the commit");
        (message, "write the path from the repository's root, with small and capital letters as they are; a folder without committed files is not in git".to_owned())
    };
    in_root(Code::ApplingFileMissing, Some(entry), message).hint(hint)
}

fn missing_dockerfile(
    repository: &dyn Repository,
    folder: &str,
    entry: Option<&Folder>,
) -> Diagnostic {
    let place = join(folder, "Dockerfile");
    let message = match folder {
        "" => {
            "there is no Dockerfile in the repository's root, so the app cannot be built".to_owned()
        }
        _ => format!("there is no `{place}`, so the appling in `{folder}` cannot be built"),
    };
    in_root(Code::DockerfileMissing, entry, message)
        .hint(dockerfile_hint(repository, folder, &place))
}

/// `[build] dockerfile` names one that is not there.
fn missing_named_dockerfile(
    repository: &dyn Repository,
    folder: &str,
    file: &str,
    named: &At<String>,
) -> Diagnostic {
    let message = format!("there is no `{}` in the commit", named.value);
    let problem = Diagnostic::new(Code::DockerfileMissing, file, message).at(named.span.clone());
    let below = join(folder, &named.value);
    if folder.is_empty() || !repository.is_file(&below) {
        return problem.hint("write the path from the repository's root, and commit the file");
    }
    let mut problem = problem.hint(format!(
        "paths begin at the repository's root: write {below:?}"
    ));
    let edit = Edit::new(named.span.clone(), toml_string(&below));
    problem.fix = Some(Fix { edits: vec![edit] });
    problem
}

fn dockerfile_hint(repository: &dyn Repository, folder: &str, place: &str) -> String {
    let misnamed = MISNAMED.map(|name| join(folder, name));
    if let Some(other) = misnamed.iter().find(|path| repository.is_file(path)) {
        return format!(
            "there is `{other}`: rename it to `{place}`, or name it: `[build]` with `dockerfile = {other:?}`"
        );
    }
    if !folder.is_empty() && repository.is_file("Dockerfile") {
        return format!(
            "there is one in the root: if it is this appling's, move it to `{place}`; its paths stay as they are, because the build context is the repository's root",
        );
    }
    let example = match folder {
        "" => "`COPY . .`".to_owned(),
        _ => format!("`COPY {folder}/ .`"),
    };
    format!(
        "add `{place}` and commit it; paths in it begin at the repository's root, as in {example}"
    )
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}
