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
        "environment default_env deploy_to deploy_env stage auto_deploy",
    ),
    ("name", "app app_name appling service_name title"),
    (
        "[env.common]",
        "environment_variables variables vars env_vars config secrets envs",
    ),
    ("[postgres]", "database db pg postgresql sql"),
    ("[cronjobs.<name>]", "cron crons cronjob schedule scheduled"),
    ("[requests]", "resources memory cpu mem"),
    ("[postgres] extensions", "extensions"),
    ("[ingress] disable", "disable internal private public"),
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
    ("release_command", "release migrate migrations predeploy"),
    ("emoji", "icon symbol"),
];

/// The key that was probably meant by an unknown one, among those that could stand there.
pub fn key(text: &str, candidates: &[&'static str]) -> Option<&'static str> {
    let plain = text.to_lowercase().replace(['-', ' ', '.'], "_");
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
    use crate::keys;

    #[test]
    fn keys_are_found_by_letters_and_by_meaning() {
        let names = keys::names();
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
        let clash: Vec<_> = words.filter(|word| keys::find(word).is_some()).collect();
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
            assert!(keys::find(key).is_some(), "{meant}");
        }
    }
}
