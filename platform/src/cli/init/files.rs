//! The texts that `hops init` writes. Pure.

use iterapp_schema::FILE_NAME;

use super::dockerfile::Exposed;
use super::find::{Appling, Found, inside};

/// Paths and texts: the applings' files, and the root's last, since it makes the others count.
pub fn files(applings: &[Appling<'_>], found: &[Found]) -> Vec<(String, String)> {
    if let [only] = applings
        && only.found.folder.is_empty()
    {
        let other = found.iter().find(|found| !found.folder.is_empty());
        let text = HEAD.to_owned() + &appling(only) + GOES + &also_found(other) + SECTIONS;
        return vec![(FILE_NAME.to_owned(), text)];
    }
    let mut files: Vec<(String, String)> = applings
        .iter()
        .map(|one| {
            let path = inside(&one.found.folder, FILE_NAME);
            (path, appling(one) + SECTIONS)
        })
        .collect();
    files.push((FILE_NAME.to_owned(), root(applings)));
    files
}

const HEAD: &str = "\
# What Hops knows of this app. Every key has a default; `hops check` reads the file for mistakes.

";

const GOES: &str = "
# Where a push of the default branch goes; \"test\" if it is not said.
# default_environment = \"prod\"
";

const SECTIONS: &str = "
# Hosts of its own in prod, and variables. Sections go last.
# domains = [\"www.example.com\"]
#
# [env.common]
# LOG_LEVEL = \"info\"
";

fn root(applings: &[Appling<'_>]) -> String {
    let folders: Vec<String> = applings
        .iter()
        .map(|appling| format!("{:?}", appling.found.folder))
        .collect();
    let folders = folders.join(", ");
    format!(
        "{HEAD}# Its applings: folders, each with a Dockerfile and an iterapp.toml of its own.\n\
         applings = [{folders}]\n{GOES}"
    )
}

fn appling(appling: &Appling<'_>) -> String {
    let name = appling.name.as_ref().map_or_else(String::new, |name| {
        format!("# The folder's own name will not do, or is taken.\nname = {name:?}\n\n")
    });
    name + &port(appling.found) + HEALTH
}

/// Nothing is made up: what the Dockerfile does not say stays a comment.
fn port(found: &Found) -> String {
    let dockerfile = found.dockerfile();
    match &found.exposed {
        Exposed { port: None, .. } => format!(
            "# Where the container answers HTTP; 3000 if it is not said. {dockerfile} has no EXPOSE to tell.\n\
             # port = 3000\n"
        ),
        Exposed {
            port: Some(port),
            others,
        } if others.is_empty() => format!(
            "# Where the container answers HTTP, as EXPOSE in {dockerfile} says.\nport = {port}\n"
        ),
        Exposed {
            port: Some(port),
            others,
        } => {
            let others: Vec<String> = others.iter().map(ToString::to_string).collect();
            let others = others.join(", ");
            format!(
                "# Where the container answers HTTP: the first EXPOSE in {dockerfile}, which has {others} too.\n\
                 port = {port}\n"
            )
        }
    }
}

const HEALTH: &str = "
# The path that answers 200 once the container can take requests; \"/health\" if it is not said.
# readiness_path = \"/up\"
";

fn also_found(other: Option<&Found>) -> String {
    let Some(other) = other else {
        return String::new();
    };
    let folder = &other.folder;
    format!(
        "\n# There is {} too. If it makes an appling of its own, give it an iterapp.toml and list it:\n\
         # applings = [\".\", {folder:?}]\n",
        other.dockerfile()
    )
}
