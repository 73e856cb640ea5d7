//! `hops plan`: the Kubernetes objects that would be wanted, offline.

use clap::ValueEnum;
use iterapp_schema::{
    Assembled, CronAction, EnvValue, Environment, Iterapp, Run, assemble, render,
};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use serde_saphyr::DoubleQuoted;
use uuid::Uuid;

use crate::database::environment as databases;
use crate::release::plan::{Places, plan};
use crate::release::spec::{ApplingSpec, ReleaseCommand, Version, WantedEnvironment};
use crate::rollout::cluster::Settings;
use crate::rollout::desired::desired;
use crate::secrets::open::{Opened, Source};

use super::failure::Failure;
use super::local::{Local, LocalArguments};
use super::target::environment;
use super::ui::Ui;
use super::{Context, harmless};

/// Show the Kubernetes objects that an environment would have, without asking the platform
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads the folder as it is, committed or not; the same files give the same objects. What only
the platform knows stands there as a placeholder:
  registry.invalid/APP/APPLING@sha256:000…   an image
  0000000000000000000000000000000000000000   the commit
  apps.invalid                               the domain of the platform's hosts
  (secret)                                   the value of a secret
  postgres.invalid                           the server of a database
  1, 00000000-0000-0000-0000-000000000000    the release, in the Job of a release command
Settings of the platform (its instance's name, ingress class, drain time, registry login) have
their defaults. Exit codes: 0 printed, 1 mistakes in the files, 2 wrong usage.

Examples:
  hops plan -e prod
  hops plan ../shop -e test | kubectl apply --server-side --dry-run=server -f -
  hops plan -e prod --format json | jq '.items[].kind'")]
pub struct Plan {
    #[command(flatten)]
    local: LocalArguments,
    /// Of which environment: prod, test, or snap0 to snap9
    #[arg(short = 'e', long, value_parser = environment)]
    environment: Environment,
    /// `json` is one List, and the same as --json
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// How the objects are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Yaml,
    Json,
}

/// Places that exist nowhere: the top level domain `invalid` is reserved for that (RFC 2606).
const PLACES: Places<'static> = Places {
    domain: "apps.invalid",
    registry: "registry.invalid",
};
const COMMIT: &str = "0000000000000000000000000000000000000000";
const SECRET: &str = "(secret)";
/// The address of a database that is somewhere else.
const ADDRESS: &str = "postgres://user:secret@postgres.invalid:5432/database";
/// The instance's name where the platform's settings name none.
const INSTANCE: &str = "hops";

impl Plan {
    /// Prints the objects.
    pub fn run(self, context: &mut Context) -> Result<(), Failure> {
        let json = match (self.format, context.ui.is_json()) {
            (Some(Format::Yaml), true) => return Err(Failure::usage("--json is another format")),
            (format, json) => json || format == Some(Format::Json),
        };
        let local = self.local.find(context)?;
        let objects = objects(&local, self.environment)?;
        let ui = &mut context.ui;
        if json {
            ui.json(&json!({ "apiVersion": "v1", "kind": "List", "items": objects }))
        } else {
            yaml(ui, &objects)
        }
    }
}

fn objects(local: &Local, environment: Environment) -> Result<Vec<Value>, Failure> {
    let Local { app, folder } = local;
    let iterapp = read(assemble(app, folder))?;
    let planned = plan(app, environment, &iterapp, COMMIT, &[], PLACES)
        .map_err(|error| Failure::failed("not_possible", error.to_string()))?;
    let versions = planned.applings.into_iter().map(|planned| Version {
        image: format!(
            "{}/{app}/{}@sha256:{:064}",
            PLACES.registry, planned.spec.name, 0
        ),
        spec: planned.spec,
    });
    let versions: Vec<Version> = versions.collect();
    let mut wanted = WantedEnvironment {
        commands: versions.iter().filter_map(release_command).collect(),
        ..WantedEnvironment::settled(app.clone(), environment, versions)
    };
    wanted.opened = placeholders(&wanted);
    wanted.databases = databases::placeholders(&wanted);
    Ok(desired(&wanted, &Settings::new(INSTANCE)).to_json())
}

/// The release command that would run first, as that of release 1.
fn release_command(version: &Version) -> Option<ReleaseCommand> {
    version.spec.run.release_command.as_ref()?;
    Some(ReleaseCommand {
        id: Uuid::nil(),
        release: 1,
        version: version.clone(),
        started: true,
    })
}

fn read(assembled: Assembled) -> Result<Iterapp, Failure> {
    let Assembled {
        iterapp,
        diagnostics,
        sources,
    } = assembled;
    iterapp.ok_or_else(|| {
        let message = format!("the files have mistakes: {}", render::count(&diagnostics));
        let told = render::plain(&diagnostics, &sources);
        told.lines()
            .fold(Failure::failed("mistakes", message), Failure::cause)
            .hint("hops check shows them in their places")
    })
}

/// What stands for the values that only the platform can open.
fn placeholders(wanted: &WantedEnvironment) -> Opened {
    let sealed = |value: &EnvValue| matches!(value, EnvValue::Encrypted { .. });
    let headers = wanted
        .good
        .iter()
        .flat_map(|version| headers(&version.spec.run));
    let values = wanted.values().filter(|value| sealed(value)).chain(headers);
    let sources = values.filter_map(Source::of);
    let secrets = sources.map(|source| (source, SECRET.to_owned()));
    let external = wanted.specs().filter_map(ApplingSpec::external_database);
    let addresses = external.filter_map(|external| Source::of(&external.address));
    Opened::placeholders(secrets.chain(addresses.map(|source| (source, ADDRESS.to_owned()))))
}

/// The values of the headers that cron jobs send.
fn headers(run: &Run) -> impl Iterator<Item = &EnvValue> {
    let actions = run.cronjobs.values().map(|job| &job.action);
    let tables = actions.filter_map(|action| match action {
        CronAction::Call { headers, .. } => Some(headers.values()),
        CronAction::Run { .. } => None,
    });
    tables.flatten()
}

/// One document for each object, as kubectl reads them.
fn yaml(ui: &mut Ui, objects: &[Value]) -> Result<(), Failure> {
    for object in objects {
        ui.line("---")?;
        ui.text(&document(object)?)?;
    }
    Ok(())
}

/// What YAML 1.1 would take for something else is quoted; kubectl reads that version. No control
/// character stands there as itself.
fn document(object: &Value) -> Result<String, Failure> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let text = serde_saphyr::to_string_with_options(&Yaml(object), options)
        .map_err(|error| Failure::failed("output", "cannot write YAML").cause(error))?;
    Ok(harmless::json(&text).into_owned())
}

/// A value whose texts stand in double quotes where a terminal must not get them as they are:
/// there, and only there, characters can be escaped.
struct Yaml<'v>(&'v Value);

impl Serialize for Yaml<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(fields) => {
                serializer.collect_map(fields.iter().map(|(key, value)| (key, Yaml(value))))
            }
            Value::Array(entries) => serializer.collect_seq(entries.iter().map(Yaml)),
            Value::String(text) if *harmless::text(text) != **text => {
                DoubleQuoted(text.as_str()).serialize(serializer)
            }
            plain => plain.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts that YAML 1.1, which kubectl reads, takes for something else.
    #[test]
    fn texts_stay_texts() {
        for text in [
            "yes",
            "no",
            "on",
            "off",
            "y",
            "N",
            "~",
            "null",
            "true",
            "",
            "012",
            "0x1f",
            "1_000",
            "1:30",
            "1e3",
            ".inf",
            "2026-11-21",
            "=",
            "<<",
            "- a",
            "a: b",
            "# a",
            "a #b",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "{a",
            "[a",
            "'",
            "\"",
            " a",
            "a ",
            "a\nb\n",
            "\t",
            "0o7",
        ] {
            let written = document(&json!({ "a": text })).unwrap();
            let value = written.trim_end().strip_prefix("a: ").unwrap();
            assert!(value.starts_with(['"', '\'']), "{text:?}: {written}");
        }
        let plain = document(&json!({ "a": "/health", "b": 1, "c": true, "d": {} })).unwrap();
        assert_eq!(plain, "a: /health\nb: 1\nc: true\nd: {}\n");
    }

    #[test]
    fn a_terminal_is_not_at_the_mercy_of_a_value() {
        let bidi = document(&json!({ "a": ["a\u{202e}b"] })).unwrap();
        assert_eq!(bidi.to_lowercase(), "a:\n- \"a\\u202eb\"\n");
        let written = document(&json!({ "a": "\u{1b}]0;x\u{7}\u{9b}1m\u{202e}" })).unwrap();
        assert!(
            !written.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']),
            "{written:?}"
        );
    }
}
