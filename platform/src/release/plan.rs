//! The plan of a release: app, environment, `iterapp.toml` and commit in; what to build and what to
//! want out. Pure.

use iterapp_schema::{
    AppName, Appling, ApplingName, Build, EnvTable, EnvValue, Environment, Iterapp, Run,
};
use uuid::Uuid;

use super::spec::{ApplingSpec, Database, ExternalDatabase};

/// Where the platform's hosts and images are.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// Domain below which every app gets its hosts.
    pub domain: &'a str,
    /// Registry that images are pushed to.
    pub registry: &'a str,
}

/// What a release is to build and to want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In the order of `iterapp.toml`.
    pub applings: Vec<Planned>,
    /// Applings that run now and that the release has no more.
    pub removes: Vec<String>,
}

/// One appling of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// What to want.
    pub spec: ApplingSpec,
    /// How to build it.
    pub build: Build,
    /// Where to push the image, `registry/app/appling:commit`.
    pub image: String,
    /// The image that stays, so that nothing is built. Nothing until `release::keep` has looked.
    pub keeps: Option<Kept>,
}

/// An image that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its build.
    pub build: Uuid,
    /// The image by digest.
    pub image: String,
}

/// Something that is well written and cannot be had here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A host that an app may not have.
    #[error(
        "the domain {host} of appling {appling} lies below {domain}, where the platform gives out the hosts itself; remove it from `domains`"
    )]
    PlatformHost {
        /// The host.
        host: String,
        /// Whose `domains` list it.
        appling: ApplingName,
        /// Where the platform's own hosts lie.
        domain: String,
    },
    /// A prefix that ingress controllers do not agree on.
    #[error(
        "the prefix {prefix} in `ingress.paths` of appling {appling} holds {character:?}, which not every ingress matches as it is; letters, digits, `-`, `.`, `_` and `~` are safe"
    )]
    Prefix {
        /// The prefix, or what it is rewritten to.
        prefix: String,
        /// What is wrong with it.
        character: char,
        /// Whose it is.
        appling: ApplingName,
    },
}

/// Plans a release.
///
/// # Errors
/// When something is asked for that cannot be had.
pub fn plan(
    app: &AppName,
    environment: Environment,
    iterapp: &Iterapp,
    commit: &str,
    running: &[ApplingName],
    places: Places<'_>,
) -> Result<Plan, PlanError> {
    let applings = iterapp
        .applings
        .iter()
        .map(|appling| {
            Ok(Planned {
                spec: spec(app, environment, iterapp, appling, commit, places.domain)?,
                build: appling.build.clone(),
                image: format!("{}/{app}/{}:{commit}", places.registry, appling.name),
                keeps: None,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let wanted = |name: &&ApplingName| {
        !iterapp
            .applings
            .iter()
            .any(|appling| appling.name == **name)
    };
    let removes = running
        .iter()
        .filter(wanted)
        .map(ToString::to_string)
        .collect();
    Ok(Plan { applings, removes })
}

fn spec(
    app: &AppName,
    environment: Environment,
    iterapp: &Iterapp,
    appling: &Appling,
    commit: &str,
    domain: &str,
) -> Result<ApplingSpec, PlanError> {
    let run = appling.run_in(environment).clone();
    let only = iterapp.applings.len() == 1;
    let mut hosts = Vec::new();
    if let Some(ingress) = run.http.as_ref().and_then(|http| http.ingress.as_ref()) {
        hosts.push(platform_host(app, environment, &appling.name, only, domain));
        if environment == Environment::Prod {
            hosts.extend(ingress.domains.iter().cloned());
        }
    }
    let service_names = match &run.http {
        Some(_) => iterapp.service_names(app, &appling.name),
        None => Vec::new(),
    };
    check_prefixes(appling, &run)?;
    let spec = ApplingSpec {
        emoji: appling.emoji.clone(),
        name: appling.name.clone(),
        commit: commit.to_owned(),
        run,
        hosts,
        service_names,
        env: env(appling, environment),
        database: database(iterapp, appling),
    };
    check_domains(&appling.name, &spec.claims(), domain)?;
    Ok(spec)
}

fn check_prefixes(appling: &Appling, run: &Run) -> Result<(), PlanError> {
    let ingress = run.http.iter().filter_map(|http| http.ingress.as_ref());
    let prefixes = ingress
        .flat_map(|ingress| &ingress.paths)
        .flat_map(|path| std::iter::once(&path.prefix).chain(&path.rewrite));
    let odd = |c: &char| !c.is_ascii_alphanumeric() && !"/-._~".contains(*c);
    for prefix in prefixes {
        if let Some(character) = prefix.chars().find(odd) {
            return Err(PlanError::Prefix {
                prefix: prefix.clone(),
                character,
                appling: appling.name.clone(),
            });
        }
    }
    Ok(())
}

/// The appling's own database, or else everybody's.
fn database(iterapp: &Iterapp, appling: &Appling) -> Option<Database> {
    let own = appling.postgres.as_ref();
    let wanted = own.or(iterapp.postgres.as_ref())?;
    let external = wanted.external.as_ref();
    Some(Database {
        shared: own.is_none(),
        extensions: wanted.extensions.clone(),
        pooling: wanted.pooling,
        external: external.map(|external| ExternalDatabase {
            address: external.address(),
            proxy: external.proxy,
        }),
    })
}

/// Plain values as the container sees them; of secret ones where they come from.
fn env(appling: &Appling, environment: Environment) -> EnvTable {
    let variables = appling.env_for(environment).into_iter();
    let value = |value: &EnvValue| value.plain().map_or_else(|| value.clone(), EnvValue::Text);
    variables
        .map(|(name, found)| (name.to_owned(), value(found)))
        .collect()
}

/// `{app}.{environment}.{domain}`, with `{appling}.` before it for one of several applings, and
/// without `{environment}.` in prod. Environment names are no app names, so no two are the same.
pub fn platform_host(
    app: &AppName,
    environment: Environment,
    appling: &ApplingName,
    only: bool,
    domain: &str,
) -> String {
    let appling = if only {
        String::new()
    } else {
        format!("{appling}.")
    };
    match environment {
        Environment::Prod => format!("{appling}{app}.{domain}"),
        other => format!("{appling}{app}.{other}.{domain}"),
    }
}

fn check_domains(appling: &ApplingName, domains: &[String], domain: &str) -> Result<(), PlanError> {
    let below = |host: &&String| {
        *host == domain
            || host
                .strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    match domains.iter().find(below) {
        None => Ok(()),
        Some(host) => Err(PlanError::PlatformHost {
            host: host.clone(),
            appling: appling.clone(),
            domain: domain.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use iterapp_schema::{Build, Env, Http, Ingress, IngressPath, Run};

    fn names(app: &str, appling: &str) -> (AppName, ApplingName) {
        (
            AppName::parse(app).unwrap(),
            ApplingName::parse(appling).unwrap(),
        )
    }

    #[test]
    fn hosts_follow_the_one_pattern() {
        let (app, web) = names("shop", "web");
        let host = |environment, only| platform_host(&app, environment, &web, only, "apps.test");
        assert_eq!(host(Environment::Prod, true), "shop.apps.test");
        assert_eq!(host(Environment::Prod, false), "web.shop.apps.test");
        assert_eq!(host(Environment::Test, true), "shop.test.apps.test");
        assert_eq!(
            host(Environment::Snap(3), false),
            "web.shop.snap3.apps.test"
        );
    }

    /// The plan of an app with one appling that runs so.
    fn planned(environment: Environment, run: Run) -> Result<ApplingSpec, PlanError> {
        planned_with(environment, run, Env::default())
    }

    fn planned_with(
        environment: Environment,
        run: Run,
        env: Env,
    ) -> Result<ApplingSpec, PlanError> {
        let (app, appling) = names("shop", "shop");
        let iterapp = Iterapp {
            default_environment: Environment::Test,
            applings: vec![Appling {
                name: appling,
                emoji: None,
                folder: String::new(),
                build: Build::of("Dockerfile".to_owned()),
                env,
                postgres: None,
                run,
                overrides: BTreeMap::new(),
            }],
            postgres: None,
        };
        let places = Places {
            domain: "apps.test",
            registry: "registry",
        };
        let plan = plan(&app, environment, &iterapp, "c0ffee", &[], places)?;
        Ok(plan.applings.into_iter().next().unwrap().spec)
    }

    fn with_ingress(domains: &[&str], from_to_www_redirect: bool) -> Run {
        let ingress = Ingress {
            domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
            from_to_www_redirect,
            paths: Vec::new(),
        };
        let http = Http {
            ingress: Some(ingress),
            ..Http::default()
        };
        Run {
            http: Some(http),
            ..Run::default()
        }
    }

    #[test]
    fn domains_and_what_redirects_to_them_are_claimed_in_prod_alone() {
        let run = with_ingress(&["a.org", "www.b.org"], true);
        let prod = planned(Environment::Prod, run.clone()).unwrap();
        assert_eq!(prod.hosts, ["shop.apps.test", "a.org", "www.b.org"]);
        assert_eq!(prod.claims(), ["a.org", "www.b.org", "www.a.org", "b.org"]);
        let test = planned(Environment::Test, run).unwrap();
        assert_eq!(test.hosts, ["shop.test.apps.test"]);
        assert_eq!(test.claims(), [""; 0]);
    }

    #[test]
    fn two_forms_of_a_domain_that_both_serve_redirect_nowhere() {
        let both = with_ingress(&["a.org", "www.a.org"], true);
        let both = planned(Environment::Prod, both).unwrap();
        assert_eq!(both.redirects(), []);
        assert_eq!(both.claims(), ["a.org", "www.a.org"]);
        let neither = with_ingress(&["a.org"], false);
        let neither = planned(Environment::Prod, neither).unwrap();
        assert_eq!(neither.claims(), ["a.org"]);
    }

    #[test]
    fn without_ingress_there_are_services_and_no_hosts() {
        let mut run = with_ingress(&["a.org"], true);
        run.http.as_mut().unwrap().ingress = None;
        let spec = planned(Environment::Prod, run).unwrap();
        assert_eq!(spec.hosts, [""; 0]);
        assert_eq!(spec.claims(), [""; 0]);
        assert_eq!(spec.service_names, ["shop"]);
    }

    #[test]
    fn hosts_below_the_platforms_domain_are_refused() {
        for domain in ["apps.test", "x.apps.test"] {
            let refused = planned(Environment::Prod, with_ingress(&[domain], false));
            assert!(
                matches!(refused, Err(PlanError::PlatformHost { ref host, .. }) if host == domain)
            );
        }
        assert!(planned(Environment::Prod, with_ingress(&["myapps.test"], false)).is_ok());
    }

    #[test]
    fn prefixes_that_mean_something_elsewhere_are_refused() {
        let with_path = |prefix: &str, rewrite: Option<&str>| {
            let mut run = with_ingress(&[], false);
            let ingress = run.http.as_mut().unwrap().ingress.as_mut();
            ingress.unwrap().paths = vec![IngressPath {
                prefix: prefix.to_owned(),
                rewrite: rewrite.map(str::to_owned),
            }];
            planned(Environment::Test, run)
        };
        assert!(with_path("/api/v1.0", Some("/~x_y-z")).is_ok());
        for (prefix, rewrite) in [("/a(b)", None), ("/a", Some("/$uri")), ("/a%20b", None)] {
            let refused = with_path(prefix, rewrite);
            assert!(matches!(refused, Err(PlanError::Prefix { .. })), "{prefix}");
        }
    }

    #[test]
    fn a_secret_stays_where_it_comes_from() {
        let sealed = EnvValue::Encrypted {
            encrypted: "c2VhbGVk".to_owned(),
        };
        let env = Env {
            common: [
                ("TOKEN".to_owned(), sealed.clone()),
                ("LIMIT".to_owned(), EnvValue::Integer(5)),
            ]
            .into(),
            ..Env::default()
        };
        let spec = planned_with(Environment::Test, Run::default(), env).unwrap();
        assert_eq!(spec.env["TOKEN"], sealed);
        assert_eq!(spec.env["LIMIT"], EnvValue::Text("5".to_owned()));
    }
}
