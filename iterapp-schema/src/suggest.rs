//! What somebody probably meant: by the letters, and by the meaning.

use crate::Environment;

/// Words for environments in other houses.
const ENVIRONMENTS: &[(&str, Environment)] = &[
    ("production", Environment::Prod),
    ("live", Environment::Prod),
    ("main", Environment::Prod),
    ("master", Environment::Prod),
    ("testing", Environment::Test),
    ("staging", Environment::Test),
    ("stage", Environment::Test),
    ("qa", Environment::Test),
    ("preprod", Environment::Test),
    ("snap", Environment::Snap(0)),
    ("snapshot", Environment::Snap(0)),
    ("preview", Environment::Snap(0)),
    ("review", Environment::Snap(0)),
    ("dev", Environment::Snap(0)),
    ("development", Environment::Snap(0)),
];

/// The environment that was probably meant. `snap12` is none of the ten, so nothing is guessed.
pub fn environment(text: &str) -> Option<Environment> {
    let lower = text.to_lowercase().replace(['-', '_', ' '], "");
    let by_meaning = || {
        ENVIRONMENTS
            .iter()
            .find(|(word, _)| *word == lower)
            .map(|found| found.1)
    };
    let by_letters = || match lower.starts_with("snap") {
        true => None,
        false => nearest(&lower, ["prod", "test"].into_iter())?.parse().ok(),
    };
    lower.parse().ok().or_else(by_meaning).or_else(by_letters)
}

/// What people call keys elsewhere, and what it is here. The right side is shown as it is written.
const KEYS: &[(&str, &str)] = &[
    (
        "readiness_path",
        "health_path healthcheck health_check healthcheck_path health_check_path path readiness ready ready_path probe health_url health_endpoint",
    ),
    ("liveness_path", "liveness live_path alive liveness_probe"),
    (
        "replicas",
        "scale instances count pods num_instances min_instances processes dynos size",
    ),
    (
        "port",
        "listen internal_port http_port container_port target_port expose ports",
    ),
    (
        "domains",
        "hosts host hostname hostnames url urls custom_domains dns",
    ),
    (
        "applings",
        "components apps services projects modules workspaces packages",
    ),
    (
        "default_environment",
        "default_env deploy_to deploy_env stage auto_deploy",
    ),
    ("name", "app app_name appling service_name title"),
    (
        "[env.common]",
        "environment_variables variables vars env_vars config secrets envs",
    ),
    (
        "[override.<environment>]",
        "overrides environment environments environment_overrides profile profiles context",
    ),
    ("[postgres]", "database db pg postgresql sql"),
    ("[cronjobs.<name>]", "cron crons cronjob schedule scheduled"),
    ("[requests]", "resources memory cpu mem"),
    (
        "[autoscale]",
        "autoscaling autoscaler hpa min_replicas max_replicas scaling",
    ),
    ("[postgres] extensions", "extensions"),
    ("[ingress] disable", "disable internal private public"),
    ("[ingress] paths", "paths routes routing"),
    (
        "[build]",
        "dockerfile target args build_args context watch docker build_in_kubernetes",
    ),
    ("[experimental]", "isolate_appling isolate_allow_apps"),
    (
        "from_to_www_redirect",
        "www www_redirect redirect_www redirect",
    ),
    ("command", "cmd start entrypoint run start_command procfile"),
    (
        "release_command",
        "release migrate migrations predeploy pre_deploy pre_deploy_command",
    ),
    ("worker", "background headless"),
    (
        "grace_period",
        "grace kill_timeout stop_timeout shutdown_timeout termination_grace_period stop_grace_period",
    ),
    ("node_selector", "nodeselector selector node nodes"),
    ("emoji", "icon symbol"),
];

/// The same for the keys of a section: section, key, words.
const SECTION_KEYS: &[(&str, &str, &str)] = &[
    ("requests", "memory", "mem ram"),
    ("requests", "cpu", "cpus cores vcpu"),
    ("limits", "memory", "mem ram"),
    ("limits", "cpu", "cpus cores vcpu"),
    ("autoscale", "min", "min_replicas minimum least"),
    ("autoscale", "max", "max_replicas maximum most"),
    ("autoscale", "cpu", "target target_cpu cpu_percent percent"),
    ("ingress", "disable", "disabled internal private"),
    ("ingress", "paths", "path prefix prefixes routes"),
    ("ingress", "prefix", "path from url"),
    ("ingress", "rewrite", "to target strip"),
    ("build", "dockerfile", "file docker_file"),
    ("build", "target", "stage"),
    ("build", "args", "build_args arguments arg"),
    ("build", "watch", "watch_paths paths include"),
    ("postgres", "extensions", "extension plugins"),
    ("cronjobs", "schedule", "cron when interval every"),
    ("cronjobs", "path", "url endpoint"),
    ("cronjobs", "command", "cmd run"),
    ("cronjobs", "headers", "header"),
    ("cronjobs", "concurrency", "concurrency_policy overlap"),
];

/// The key of a section that was probably meant by an unknown one.
pub fn key_of_section(
    section: &str,
    text: &str,
    keys: &'static [&'static str],
) -> Option<&'static str> {
    let plain = plain(text);
    let section = section.trim_start_matches("override.");
    let section = section.split_once('.').map_or(section, |(first, rest)| {
        // `[override.prod.requests]` is the section `requests`, `[cronjobs.tidy]` is `cronjobs`.
        match first.parse::<Environment>() {
            Ok(_) => rest.split('.').next().unwrap_or(rest),
            Err(_) => first,
        }
    });
    let exact = || keys.iter().copied().find(|key| self::plain(key) == plain);
    let by_meaning = || {
        let means = |(of, key, words): &&(&str, &str, &str)| {
            *of == section && keys.contains(key) && words.split(' ').any(|word| word == plain)
        };
        SECTION_KEYS.iter().find(means).map(|found| found.1)
    };
    exact()
        .or_else(by_meaning)
        .or_else(|| nearest(&plain, keys.iter().copied()))
}

/// Whether two names differ by small and capital letters and `-` alone.
pub fn same_but_for_writing(text: &str, key: &str) -> bool {
    plain(text) == plain(key)
}

fn plain(text: &str) -> String {
    text.to_lowercase().replace(['-', ' ', '.'], "_")
}

/// The key that was probably meant by an unknown one, among those that could stand there.
pub fn key(text: &str, candidates: &[&'static str]) -> Option<&'static str> {
    let plain = plain(text);
    let exact = || candidates.iter().copied().find(|key| *key == plain);
    let by_meaning = || {
        let means = |words: &str| words.split(' ').any(|word| word == plain);
        KEYS.iter()
            .find(|(_, words)| means(words))
            .map(|found| found.0)
    };
    exact()
        .or_else(by_meaning)
        .or_else(|| nearest(&plain, candidates.iter().copied()))
}

/// The candidate with the fewest letters to change, if it is close enough to be meant.
pub fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // The distance takes time and memory in the product of the lengths, and files are not trusted.
    if text.len() > 64 {
        return None;
    }
    let distance = |candidate| strsim::damerau_levenshtein(text, candidate);
    let (found, distance) = candidates
        .map(|c| (c, distance(c)))
        .min_by_key(|(_, d)| *d)?;
    let tolerated = (found.len().max(text.len()) / 3).clamp(1, 3);
    (distance <= tolerated).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unknown::{is_key_of_top, keys_of_top};

    #[test]
    fn keys_are_found_by_letters_and_by_meaning() {
        let names = keys_of_top();
        for (text, meant) in [
            ("prot", Some("port")),
            ("readiness-path", Some("readiness_path")),
            ("Replicas", Some("replicas")),
            ("health_path", Some("readiness_path")),
            ("healthcheck", Some("readiness_path")),
            ("path", Some("readiness_path")),
            ("scale", Some("replicas")),
            ("database", Some("[postgres]")),
            ("appling", Some("name")),
            ("zebra", None),
            (&*"p".repeat(70_000), None),
        ] {
            assert_eq!(key(text, &names), meant, "{text:.20}");
        }
    }

    #[test]
    fn words_for_keys_are_not_keys_themselves() {
        let words = KEYS.iter().flat_map(|(_, words)| words.split(' '));
        let clash: Vec<_> = words.filter(|word| is_key_of_top(word)).collect();
        assert!(clash.is_empty(), "{clash:?}");
    }

    #[test]
    fn every_meaning_is_a_key_that_exists() {
        for (meant, _) in KEYS {
            let key = meant
                .trim_start_matches('[')
                .split([']', '.'])
                .next()
                .unwrap_or_default();
            assert!(is_key_of_top(key), "{meant}");
        }
    }
}
