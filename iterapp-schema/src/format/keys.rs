//! Which keys there are.

use toml::de::DeValue;

use super::env::EnvKeys;
use super::secret::{FileValue, HeaderValue, SecretName, SecretValue};
use super::section::{At, Read, Section, inline_schema, sections};
use super::values::{
    AppNames, ArgumentName, BuildSecretName, Command, Cpu, CronJobName, Domain, Emoji, Extension,
    FilePath, Folder, Glob, HeaderName, Int, IsolateAppling, LabelKey, LabelValue, List, Map,
    Memory, Prefix, RepositoryFile, Scalar, Schedule, Stage, SwitchName, Text, UrlPath,
};
use crate::diagnostic::{Code, Edit};
use crate::file::{Fault, File};
use crate::parse::Value;
use crate::{ApplingName, Concurrency, Environment, Pooling};

sections! {
    /// Keys that only the root's file can have.
    pub struct RootKeys {
        /// The folders of the app's applings, as paths from the repository's root. Each has an
        /// `iterapp.toml` and a Dockerfile of its own. Without this key the root is the only appling;
        /// `"."` lists the root beside others.
        #[schemars(length(min = 1, max = 100), extend("uniqueItems" = true, "examples" = [["web", "api"]]))]
        applings: List<Folder>,
        /// Where a push of the default branch goes.
        #[schemars(extend("default" = "test"))]
        default_environment: Environment,
        /// The older spelling of `default_environment`.
        #[schemars(extend("deprecated" = true))]
        auto_deploy_env: Environment,
    }

    /// Keys that the root's file and an appling's can have.
    pub struct SharedKeys {
        /// One emoji that stands beside the name wherever people read it. One in a root file that lists
        /// applings is for those that have none of their own.
        #[schemars(extend("examples" = ["🧪"]))]
        emoji: Emoji,
        /// A database of its own in each environment; the section may be empty. In an appling's file it
        /// is that appling's, in a root file that lists applings it is shared by them all.
        postgres: PostgresKeys,
    }

    /// Keys of an appling that are the same in every environment.
    pub struct ApplingKeys {
        /// The appling's name, instead of its folder's; for the root, instead of the app's.
        #[schemars(extend("examples" = ["web"]))]
        name: ApplingName,
        /// How the image is built. The context is always the repository's root.
        build: BuildKeys,
        /// Secrets of the build, by the `id` under which the Dockerfile mounts them:
        /// `RUN --mount=type=secret,id=NAME`. They never reach the image.
        build_secrets: Map<BuildSecretName, SecretValue>,
        /// Variables of the container: `[env.common]` for all environments, and
        /// `[env.<environment>]`, which is laid over it.
        env: EnvKeys,
        /// What differs in one environment: in `[override.<environment>]` every key that says how the
        /// appling runs can stand once more, and holds there instead. In sections (such as
        /// `[override.prod.requests]`) key by key.
        overrides = "override": Overrides,
    }

    /// Keys that say how an appling runs. Each can stand in `[override.<environment>]` too.
    pub struct RunKeys {
        /// The port on which the container answers HTTP. It is told to the container as `PORT`, unless
        /// that variable is set.
        #[schemars(extend("default" = 3000))]
        port: Int<1, 65_535>,
        /// The path that answers 200 to 399 when the container can take requests. It is asked every
        /// two seconds; a pod that fails gets no requests until it answers again.
        #[schemars(extend("default" = "/health"))]
        readiness_path: UrlPath,
        /// The older spelling of `readiness_path`.
        #[schemars(extend("deprecated" = true))]
        health: UrlPath,
        /// A path that answers 200 to 399 as long as the container need not be restarted. Without this
        /// key nothing restarts a container that still runs.
        #[schemars(extend("examples" = ["/alive"]))]
        liveness_path: UrlPath,
        /// The number of pods; 0 pauses the appling.
        #[schemars(extend("default" = 2))]
        replicas: Int<0, 100>,
        /// Hosts of its own in `prod`, besides the platform's.
        #[schemars(extend("examples" = [["shop.example.com"]]))]
        domains: List<Domain>,
        /// The older spelling of `domains`, for one.
        #[schemars(extend("deprecated" = true))]
        domain: Domain,
        /// Whether the other form of each domain, with or without `www.`, redirects to it.
        #[schemars(extend("default" = false))]
        from_to_www_redirect: bool,
        /// The arguments of the image's entrypoint, instead of the image's `CMD`. A string is split
        /// into words as a shell does, but no shell runs.
        #[schemars(extend("examples" = ["node server.js"]))]
        command: Command,
        /// Runs once for each release, with the new image and its variables, before any pod is replaced.
        /// When it fails, the release of this appling fails, and the old version goes on serving.
        #[schemars(extend("examples" = ["node migrate.js"]))]
        release_command: Command,
        /// A worker is not asked over HTTP: it has no port, no probes, no Service and no hosts.
        #[schemars(extend("default" = false))]
        worker: bool,
        /// Seconds from SIGTERM until a pod that still runs is killed.
        #[schemars(extend("default" = 30))]
        grace_period: Int<1, 3600>,
        /// Labels that a node must have, all of them, to run the pods.
        node_selector: Map<LabelKey, LabelValue>,
        /// What each pod is sure to get.
        requests: ResourceKeys,
        /// What each pod may use at most.
        limits: ResourceKeys,
        /// As many pods as the load needs, instead of `replicas`.
        autoscale: AutoscaleKeys,
        /// How the world reaches the appling.
        ingress: IngressKeys,
        /// Files of the container, by their full paths: texts, or secrets in the forms that variables
        /// have. They are read-only, and what else the image has in their folders stays.
        files: Map<FilePath, FileValue>,
        /// Work on a schedule, by name: `[cronjobs.<name>]`.
        cronjobs: Map<CronJobName, CronJobKeys>,
        /// Switches that are tried out. Those that the platform does not know are kept and mean nothing
        /// to it; all values are strings.
        experimental: ExperimentalKeys,
    }

    /// How an image is built.
    pub struct BuildKeys {
        /// The Dockerfile's path from the repository's root, instead of `Dockerfile` in the appling's
        /// folder.
        #[schemars(extend("examples" = ["docker/web.Dockerfile"]))]
        dockerfile: RepositoryFile,
        /// The stage to build, instead of the last one.
        #[schemars(extend("examples" = ["production"]))]
        target: Stage,
        /// Build arguments (`ARG`), by name. They stand in the image's history, so they are no place
        /// for secrets.
        args: Map<ArgumentName, Scalar>,
        /// Patterns of paths from the repository's root, in which `*` stays within a folder and `**`
        /// does not. When no path that matches has changed since the appling's last good release, it
        /// keeps its image. Without this key every release builds.
        #[schemars(extend("examples" = [["web/**", "shared/**"]]))]
        watch: List<Glob>,
        /// An older switch without effect: every build runs in the cluster.
        #[schemars(extend("deprecated" = true))]
        build_in_kubernetes: bool,
    }

    /// A database.
    pub struct PostgresKeys {
        /// Extensions that the database is to have. Removing one from the list drops nothing.
        #[schemars(extend("examples" = [["uuid-ossp"]]))]
        extensions: List<Extension>,
        /// How connections to the server are shared: `session` keeps one for each of the app's, and
        /// surprises nobody; `transaction` lends one for the time of a transaction, so that many of
        /// the app's share few. With the latter prepared statements, `set` and `listen` do not last.
        pooling: Pooling,
        /// A database that is somewhere else: the name of a secret of the environment whose key `url`
        /// is its address (`postgres://user:password@host:5432/database`). The platform then makes
        /// none.
        #[schemars(extend("examples" = ["billing-database"]))]
        external: SecretName,
        /// Whether a database that is somewhere else is reached through the SQL proxy, too.
        proxy: bool,
    }

    /// Amounts of what a node has.
    pub struct ResourceKeys {
        /// Cores, such as `"250m"` (a quarter of one) or `2`.
        #[schemars(extend("examples" = ["250m"]))]
        cpu: Cpu,
        /// Bytes, such as `"98Mi"`.
        #[schemars(extend("examples" = ["98Mi"]))]
        memory: Memory,
    }

    /// Between how many pods, and by what.
    pub struct AutoscaleKeys {
        /// The least number of pods.
        #[schemars(extend("default" = 2))]
        min: Int<1, 100>,
        /// The largest number of pods.
        max: Int<1, 100>,
        /// The CPU that the pods are to use on average, in percent of what they request.
        #[schemars(extend("default" = 80))]
        cpu: Int<1, 1000>,
    }

    /// How the world reaches an appling.
    pub struct IngressKeys {
        /// Whether the appling can be reached from inside the cluster only.
        #[schemars(extend("default" = false))]
        disable: bool,
        /// What of its hosts is its: prefixes of paths, as strings, or as `{ prefix, rewrite }` when the
        /// container is to see another prefix. Without this key it is everything.
        #[schemars(length(max = 100), extend("uniqueItems" = true, "examples" = [["/api"]]))]
        paths: List<PathKeys>,
    }

    /// Work on a schedule: either `path` or `command`.
    pub struct CronJobKeys {
        /// The five fields of cron, in UTC, or `@hourly`, `@daily` (`@midnight`), `@weekly`, `@monthly`,
        /// `@yearly` (`@annually`).
        #[schemars(extend("examples" = ["0 3 * * *"]))]
        schedule: Schedule,
        /// The appling is asked for this path then.
        #[schemars(extend("examples" = ["/api/tidy"]))]
        path: UrlPath,
        /// Headers of that request.
        headers: Map<HeaderName, HeaderValue>,
        /// The appling's image is run with these arguments then.
        #[schemars(extend("examples" = ["node tidy.js"]))]
        command: Command,
        /// What happens when the last run has not ended by then: both run (`allow`), the new one is left
        /// out (`forbid`), or the old one is ended (`replace`).
        #[schemars(extend("default" = "forbid"))]
        concurrency: Concurrency,
    }
}

/// What differs by environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides(pub Vec<(Environment, At<RunKeys>)>);

impl Read for Overrides {
    fn read(key: &str, value: &Value, file: &mut File) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            file.wrong_type(key, "the tables `[override.<environment>]`", value);
            return None;
        };
        let mut overrides = Vec::new();
        for (name, value) in table {
            match Environment::check(name.get_ref()) {
                Ok(environment) => {
                    let read = RunKeys::read(&format!("override.{environment}"), value, file);
                    overrides.extend(read.map(|read| {
                        let at = At {
                            value: read,
                            key: name.span(),
                            span: value.span(),
                        };
                        (environment, at)
                    }));
                }
                Err(_) if RunKeys::KEYS.contains(&name.get_ref().as_ref()) => {
                    let message = format!(
                        "`{}` stands in `[override]` itself, which is no environment",
                        name.get_ref()
                    );
                    let fault = Fault::new(Code::OverrideOutsideSection, message)
                        .hint("put it below `[override.prod]`, or whichever environment is meant");
                    file.report(name.span(), fault);
                }
                Err(fault) => file.report(name.span(), fault),
            }
        }
        Some(Self(overrides))
    }

    fn fits(value: &DeValue) -> bool {
        value.is_table()
    }
}

inline_schema!(Overrides, generator => {
        schemars::json_schema!({
            "type": "object",
            "propertyNames": generator.subschema_for::<Environment>(),
            "additionalProperties": generator.subschema_for::<RunKeys>(),
        })
});

/// A prefix of paths, and what the container sees instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathKeys {
    pub prefix: String,
    pub rewrite: Option<String>,
}

sections! {
    /// The long form of a path.
    pub struct RewrittenPath {
        /// The prefix that requests have.
        #[schemars(extend("examples" = ["/api"]))]
        prefix: Prefix,
        /// The prefix that the container sees instead.
        #[schemars(extend("examples" = ["/"]))]
        rewrite: Prefix,
    }
}

impl Read for PathKeys {
    fn read(key: &str, value: &Value, file: &mut File) -> Option<Self> {
        if !value.get_ref().is_table() {
            let prefix = Prefix::read(key, value, file)?.0;
            return Some(Self {
                prefix,
                rewrite: None,
            });
        }
        let told = file.problems().len();
        let long = RewrittenPath::read("ingress.paths", value, file)?;
        if file.problems().len() > told {
            return None;
        }
        let Some(prefix) = long.prefix else {
            super::section::missing("ingress.paths", "prefix", "\"/api\"", value.span(), file);
            return None;
        };
        Some(Self {
            prefix: prefix.value.0,
            rewrite: long.rewrite.map(|rewrite| rewrite.value.0),
        })
    }

    fn fits(value: &DeValue) -> bool {
        value.is_str() || value.is_table()
    }
}

inline_schema!(PathKeys, generator => {
        schemars::json_schema!({ "anyOf": [
            generator.subschema_for::<Prefix>(),
            generator.subschema_for::<RewrittenPath>(),
        ]})
});

sections! {
    /// The switches that the platform knows.
    pub struct KnownSwitches {
        /// `"namespace"` lets the appling speak with the applings of its own app and environment, its
        /// ingress and name servers alone.
        #[schemars(extend("examples" = ["namespace"]))]
        isolate_appling = "isolate-appling": IsolateAppling,
        /// Apps with which an isolated appling may speak all the same, in the same environment.
        #[schemars(extend("examples" = ["shop, search"]))]
        isolate_allow_apps = "isolate-allow-apps": AppNames,
    }
}

/// Switches that are tried out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExperimentalKeys {
    pub known: KnownSwitches,
    pub others: Vec<(String, At<String>)>,
}

impl Read for ExperimentalKeys {
    fn read(key: &str, value: &Value, file: &mut File) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            file.wrong_type(key, "a table", value);
            return None;
        };
        let mut keys = Self::default();
        for (name, value) in table {
            let slipped = crate::unknown::slipped(key, name, value, |value| value.is_str(), file);
            if !slipped && !keys.known.take(name.get_ref(), name.span(), value, file) {
                keys.other(name, value, file);
            }
        }
        Some(keys)
    }

    fn fits(value: &DeValue) -> bool {
        value.is_table()
    }

    fn over(self, base: Self) -> Self {
        let mut others = base.others;
        others.retain(|(name, _)| self.others.iter().all(|(own, _)| own != name));
        others.extend(self.others);
        Self {
            known: self.known.over(base.known),
            others,
        }
    }
}

impl ExperimentalKeys {
    fn other(&mut self, name: &crate::parse::Key, value: &Value, file: &mut File) {
        let switch = match SwitchName::check(name.get_ref()) {
            Ok(SwitchName(switch)) => switch,
            Err(fault) => return file.report(name.span(), fault),
        };
        let Some(text) = file.string(&format!("experimental.{switch}"), value) else {
            return;
        };
        let known = KnownSwitches::KEYS.iter().copied();
        let meant = crate::suggest::nearest(&switch.replace('_', "-"), known);
        let fault = match meant {
            Some(meant) if crate::suggest::same_but_for_writing(&switch, meant) => {
                let message = format!("`{switch}` does nothing: the switch is called `{meant}`");
                Fault::new(Code::SwitchMisspelt, message)
                    .hint(format!("write `{meant}`"))
                    .edits(vec![Edit::new(name.span(), meant)])
            }
            meant => {
                let message = format!("`{switch}` is a switch that the platform does not know");
                let fault = Fault::new(Code::UnknownSwitch, message);
                match meant {
                    Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
                    None => fault.hint("it can stay: it is kept, and does nothing"),
                }
            }
        };
        file.report(name.span(), fault);
        let at = At {
            value: text.to_owned(),
            key: name.span(),
            span: value.span(),
        };
        self.others.push((switch, at));
    }
}

inline_schema!(ExperimentalKeys, generator => {
        let mut schema = KnownSwitches::json_schema(generator);
        let names = generator.subschema_for::<SwitchName>();
        schema.insert("propertyNames".to_owned(), names.to_value());
        schema.insert(
            "additionalProperties".to_owned(),
            serde_json::json!({ "type": "string" }),
        );
        schema
});
