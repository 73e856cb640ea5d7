//! The plan of a release: app, environment, `iterapp.toml` and commit in; what to build and what to
//! want out. Pure.

use std::collections::BTreeMap;

use iterapp_schema::{AppName, Appling, ApplingName, Build, Environment, Iterapp};

use super::{keep::Kept, spec::ApplingSpec};

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
    /// A secret value: an app that starts without its secret may do worse than not start.
    #[error(
        "the variable {name} of appling {appling} is a secret, which the platform cannot open yet, and the appling must not start without it; leave it out if it can do without"
    )]
    Secret {
        /// The variable.
        name: String,
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
            check_domains(&appling.name, &ingress.domains, domain)?;
            hosts.extend(ingress.domains.iter().cloned());
        }
    }
    let service_names = match &run.http {
        Some(_) => iterapp.service_names(app, &appling.name),
        None => Vec::new(),
    };
    Ok(ApplingSpec {
        name: appling.name.clone(),
        commit: commit.to_owned(),
        run,
        hosts,
        service_names,
        env: env(appling, environment)?,
    })
}

fn env(appling: &Appling, environment: Environment) -> Result<BTreeMap<String, String>, PlanError> {
    let variables = appling.env_for(environment).into_iter();
    variables
        .map(|(name, value)| match value.plain() {
            Some(value) => Ok((name.to_owned(), value)),
            None => Err(PlanError::Secret {
                name: name.to_owned(),
                appling: appling.name.clone(),
            }),
        })
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
}
