//! Whether an appling's image can stay: nothing that it watches has changed. Pure.
//!
//! What an appling watches are the globs of `[build] watch`, its Dockerfile and the files that say
//! what of the repository the Dockerfile gets. Its `iterapp.toml` is not among them: what stands
//! there takes effect without a new image, except for `[build]` itself, which is compared as it is
//! understood.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use iterapp_schema::{Build, EnvValue};

/// What an appling watches.
#[derive(Debug, Clone)]
pub struct Watched {
    globs: GlobSet,
    files: [String; 3],
}

impl Watched {
    /// What an appling watches whose image was last built like `before`; nothing when it is to be
    /// built however little has changed: it has no `watch`, or `[build]` is another one.
    pub fn of(before: &Build, now: &Build) -> Option<Watched> {
        if now.watch.is_empty() || !is_same(before, now) {
            return None;
        }
        let dockerfile = &now.dockerfile;
        Some(Watched {
            // A glob that nobody can read may mean anything.
            globs: globs(&now.watch).ok()?,
            files: [
                dockerfile.clone(),
                format!("{dockerfile}.dockerignore"),
                ".dockerignore".to_owned(),
            ],
        })
    }

    /// The files that are watched whatever the globs say.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// Whether one of these paths is watched. What is in a folder that a glob means is meant too.
    pub fn any_of(&self, paths: &[String]) -> bool {
        paths.iter().any(|path| {
            let and_folders = Path::new(path).ancestors();
            self.files.contains(path) || and_folders.into_iter().any(|p| self.globs.is_match(p))
        })
    }
}

/// The values of secrets do not count: they are none of what an image is made of. But which ones the platform is
/// to keep for it does.
fn is_same(before: &Build, now: &Build) -> bool {
    let Build {
        dockerfile,
        target,
        args,
        watch,
        secrets: _,
    } = now;
    *dockerfile == before.dockerfile
        && *target == before.target
        && *args == before.args
        && *watch == before.watch
        && named_secrets(now).eq(named_secrets(before))
}

fn named_secrets(build: &Build) -> impl Iterator<Item = (&String, &EnvValue)> {
    let is_named = |(_, value): &(&String, &EnvValue)| matches!(value, EnvValue::Secret { .. });
    build.secrets.iter().filter(is_named)
}

fn globs(watch: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for glob in watch {
        let glob = glob.trim_start_matches("./").trim_end_matches('/');
        set.add(GlobBuilder::new(glob).literal_separator(true).build()?);
    }
    set.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(watch: &[&str]) -> Build {
        Build {
            watch: watch.iter().map(|&glob| glob.to_owned()).collect(),
            ..Build::of("web/Dockerfile".to_owned())
        }
    }

    fn watches(globs: &[&str], path: &str) -> bool {
        let build = build(globs);
        let watched = Watched::of(&build, &build).expect("it watches");
        watched.any_of(&["README.md".to_owned(), path.to_owned()])
    }

    #[test]
    fn globs_are_from_the_root() {
        for (glob, path) in [
            ("web/**", "web/src/main.rs"),
            ("web/**", "web/.hidden"),
            ("web", "web/src/main.rs"),
            ("web/", "web/src/main.rs"),
            ("./web", "web/a"),
            ("web/*/src", "web/a/src/deep/b.rs"),
            ("*.lock", "Cargo.lock"),
            ("**/*.lock", "Cargo.lock"),
            ("**/*.lock", "web/a/b.lock"),
            ("{web,shared}/*.rs", "shared/a.rs"),
            ("lib[0-9]", "lib7/a"),
            ("**", "anything/at/all"),
            ("web/\\[id\\].ts", "web/[id].ts"),
        ] {
            assert!(watches(&[glob], path), "{glob} means {path}");
        }
        for (glob, path) in [
            ("web/*.rs", "web/src/main.rs"),
            ("*.lock", "web/a.lock"),
            ("web", "webs/a"),
            ("web", "other/web/a"),
            ("web/iterapp.toml", "iterapp.toml"),
            ("src/**", "web/src/a"),
        ] {
            assert!(!watches(&[glob], path), "{glob} does not mean {path}");
        }
    }

    #[test]
    fn the_dockerfile_and_what_it_leaves_out_are_always_watched() {
        for path in [
            "web/Dockerfile",
            "web/Dockerfile.dockerignore",
            ".dockerignore",
        ] {
            assert!(watches(&["src"], path), "{path}");
        }
        for path in ["web/iterapp.toml", "iterapp.toml", "web/.dockerignore"] {
            assert!(!watches(&["src"], path), "{path}");
        }
    }

    fn named(secret: &str) -> EnvValue {
        EnvValue::Secret {
            secret: secret.to_owned(),
            key: "token".to_owned(),
        }
    }

    #[test]
    fn a_value_that_is_sealed_anew_is_no_other_build() {
        let sealed = |text: &str| {
            let mut build = build(&["web"]);
            let encrypted = text.to_owned();
            let value = EnvValue::Encrypted { encrypted };
            build.secrets.insert("npmrc".to_owned(), value);
            build
        };
        assert!(Watched::of(&sealed("one"), &sealed("other")).is_some());
    }

    #[test]
    fn nothing_is_watched_without_a_list_nor_after_another_build() {
        let before = build(&["web"]);
        assert!(Watched::of(&before, &before).is_some());
        assert!(Watched::of(&build(&[]), &build(&[])).is_none());
        let others: [fn(&mut Build); 5] = [
            |b| b.dockerfile = "Dockerfile".to_owned(),
            |b| b.target = Some("slim".to_owned()),
            |b| drop(b.args.insert("A".to_owned(), "b".to_owned())),
            |b| b.watch.push("shared".to_owned()),
            // The platform keeps those that builds name, and no others.
            |b| drop(b.secrets.insert("npmrc".to_owned(), named("registry"))),
        ];
        for change in others {
            let mut now = before.clone();
            change(&mut now);
            assert!(Watched::of(&before, &now).is_none(), "{now:?}");
        }
    }
}
