//! The plan of a release: app, environment, `iterapp.toml` and commit in; what to build and what to
//! want out. Pure.

use iterapp_schema::{AppName, Appling, ApplingName, Environment, Iterapp};

use super::spec::ApplingSpec;

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
    /// What to build it with: the Dockerfile's path in the repository.
    pub dockerfile: String,
    /// Where to push the image, `registry/app/appling:commit`.
    pub image: String,
}

/// A host that an app may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the domain {host} of appling {appling} lies below {domain}, where the platform gives out the hosts itself; remove it from `domains`"
)]
pub struct PlatformHost {
    host: String,
    appling: ApplingName,
    domain: String,
}

/// Plans a release.
///
/// # Errors
/// When a domain of the author's is one of the platform's own hosts.
pub fn plan(
    app: &AppName,
    environment: Environment,
    iterapp: &Iterapp,
    commit: &str,
    running: &[ApplingName],
    places: Places<'_>,
) -> Result<Plan, PlatformHost> {
    let applings = iterapp
        .applings
        .iter()
        .map(|appling| {
            Ok(Planned {
                spec: spec(app, environment, iterapp, appling, commit, places.domain)?,
                dockerfile: appling.dockerfile.clone(),
                image: format!("{}/{app}/{}:{commit}", places.registry, appling.name),
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
) -> Result<ApplingSpec, PlatformHost> {
    let mut hosts = vec![platform_host(
        app,
        environment,
        &appling.name,
        iterapp.applings.len() == 1,
        domain,
    )];
    if environment == Environment::Prod {
        check_domains(appling, domain)?;
        hosts.extend(appling.domains.iter().cloned());
    }
    Ok(ApplingSpec {
        name: appling.name.clone(),
        commit: commit.to_owned(),
        port: appling.port,
        readiness_path: appling.readiness_path.clone(),
        liveness_path: appling.liveness_path.clone(),
        replicas: appling.replicas,
        hosts,
        service_names: iterapp.service_names(app, &appling.name),
        env: appling.env_for(environment),
    })
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

fn check_domains(appling: &Appling, domain: &str) -> Result<(), PlatformHost> {
    let below = |host: &&String| {
        *host == domain
            || host
                .strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    match appling.domains.iter().find(below) {
        None => Ok(()),
        Some(host) => Err(PlatformHost {
            host: host.clone(),
            appling: appling.name.clone(),
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
