//! One appling's file: its keys, resolved for each environment.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Edit};
use crate::file::{Fault, File};
use crate::format::keys::Overrides;
use crate::format::top::{self, Role};
use crate::format::values::Domain;
use crate::format::{ApplingKeys, At, BuildKeys, Read, RunKeys, SharedKeys};
use crate::iterapp::{Build, IngressPath, Postgres, Run};
use crate::names::ApplingName;
use crate::parse::{Table, line_of};
use crate::run::{self, Domains};
use crate::{Env, Environment, postgres};

/// What a file says about its appling, with defaults filled in and places kept for what must be
/// compared with other files.
pub struct ApplingFile {
    pub name: Option<At<ApplingName>>,
    pub emoji: Option<String>,
    /// Without the Dockerfile's path where the file names none.
    pub build: Build,
    /// Where it names the Dockerfile.
    pub dockerfile: Option<At<String>>,
    pub env: Env,
    pub postgres: Option<Postgres>,
    pub run: Run,
    pub overrides: BTreeMap<Environment, Run>,
    /// The domains in `prod`, with their places.
    pub domains: Vec<At<Domain>>,
    /// What of them is its, in `prod`.
    pub paths: Vec<IngressPath>,
}

impl ApplingFile {
    /// Reads an appling's keys; a value with a problem counts as its default.
    pub fn read(table: &Table, role: Role, file: &mut File) -> Self {
        let keys = top::rest(table, role, file);
        let SharedKeys { emoji, postgres } = keys.shared;
        let ApplingKeys {
            name,
            build,
            build_secrets,
            env,
            overrides,
        } = keys.appling;
        let base = run::older_spellings(keys.run, file);
        let overrides = overlaid(&base, overrides, file);
        let prod = overrides.get(&Environment::Prod).unwrap_or(&base);
        let domains = prod
            .domains
            .as_ref()
            .map_or_else(Vec::new, |at| at.value.0.clone());
        let paths = run::paths(prod, file);
        let (mut build, dockerfile) = read_build(build, file);
        build.secrets = build_secrets.map_or_else(BTreeMap::new, |secrets| {
            let secrets = secrets.value.0.into_iter();
            secrets.map(|(name, at)| (name.0, at.value.0)).collect()
        });
        Self {
            name,
            emoji: emoji.map(|at| at.value.0),
            build,
            dockerfile,
            env: env.map(|at| at.value.0).unwrap_or_default(),
            postgres: postgres::read(postgres, file),
            domains,
            paths,
            run: run::resolve(
                base,
                lead(!overrides.contains_key(&Environment::Prod)),
                file,
            ),
            overrides: overrides
                .into_iter()
                .map(|(environment, keys)| {
                    let here = lead(environment == Environment::Prod);
                    (environment, run::resolve(keys, here, file))
                })
                .collect(),
        }
    }
}

fn lead(here: bool) -> Domains {
    match here {
        true => Domains::LeadHere,
        false => Domains::LeadElsewhere,
    }
}

/// What holds in each environment that has overrides.
fn overlaid(
    base: &RunKeys,
    overrides: Option<At<Overrides>>,
    file: &mut File,
) -> BTreeMap<Environment, RunKeys> {
    let overrides = overrides.map(|at| at.value.0).unwrap_or_default();
    let overlay = |(environment, at): (Environment, At<RunKeys>)| {
        let own = run::older_spellings(at.value, file);
        run::own_domains(&own, environment, file);
        let mut base = base.clone();
        // These two take each other's place.
        if own.autoscale.is_some() {
            base.replicas = None;
        }
        if own.replicas.is_some() {
            base.autoscale = None;
        }
        (environment, own.over(base))
    };
    overrides.into_iter().map(overlay).collect()
}

fn read_build(keys: Option<At<BuildKeys>>, file: &mut File) -> (Build, Option<At<String>>) {
    let BuildKeys {
        dockerfile,
        target,
        args,
        watch,
        build_in_kubernetes,
    } = keys.map(|at| at.value).unwrap_or_default();
    if let Some(older) = build_in_kubernetes {
        let line = line_of(file.text, older.key.start);
        let statement = line.start..(line.end + 1).min(file.text.len());
        let fault = Fault::new(
            Code::OlderSpelling,
            "`build_in_kubernetes` is an older switch without effect: every build runs in the cluster",
        )
        .hint("remove it");
        let rest = file.text[line].trim().strip_prefix("build_in_kubernetes");
        let value = rest.map(|rest| rest.trim_matches([' ', '\t', '=']));
        let alone = value.is_some_and(|value| matches!(value, "true" | "false"));
        let fault = match alone {
            true => fault.edits(vec![Edit::new(statement, "")]),
            false => fault,
        };
        file.report(older.key, fault);
    }
    let args = args.map(|at| at.value.0).unwrap_or_default();
    let watch = watch.map(|at| at.value.0).unwrap_or_default();
    let build = Build {
        dockerfile: String::new(),
        target: target.map(|at| at.value.0),
        args: args
            .into_iter()
            .map(|(name, at)| (name.0, at.value.0))
            .collect(),
        watch: watch.into_iter().map(|at| at.value.0).collect(),
        secrets: BTreeMap::new(),
    };
    (build, dockerfile.map(|at| at.map(|path| path.0)))
}
