//! Where the platform is, and the token that opens it: from the environment, else from a file.

use std::fmt;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::failure::Failure;

/// Reads a variable of the environment.
pub type Vars = dyn Fn(&str) -> Option<String>;

/// How to reach the platform.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its address.
    pub url: Url,
    /// The token, which is never shown.
    pub token: SecretString,
    /// Where the address was found.
    pub url_from: Source,
    /// Where the token was found.
    pub token_from: Source,
}

/// Where a setting was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A variable of the environment.
    Variable(&'static str),
    /// The configuration file.
    File(PathBuf),
    /// The command line.
    Argument,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "{name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Argument => write!(f, "the command line"),
        }
    }
}

/// The configuration file's content.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    url: Option<String>,
    token: Option<String>,
}

/// `HOPS_URL` and `HOPS_TOKEN` come first, then the file. The file's token goes to the file's
/// address alone, never to another one that the environment names.
pub fn connection(vars: &Vars) -> Result<Connection, Failure> {
    let set = |name| vars(name).filter(|value| !value.is_empty());
    let token = set("HOPS_TOKEN").map(|token| (token.into(), Source::Variable("HOPS_TOKEN")));
    let url = set("HOPS_URL").map(|url| (url, Source::Variable("HOPS_URL")));
    if let (Some((url, url_from)), Some((token, token_from))) = (&url, &token) {
        return finish(
            url,
            url_from.clone(),
            SecretString::clone(token),
            token_from.clone(),
        );
    }
    let path = path(vars);
    let file = path
        .as_deref()
        .map(|path| read(path, token.is_none()))
        .transpose()?;
    let (file, path) = (file.unwrap_or_default(), path.unwrap_or_default());
    let file_url = file.url.map(|url| (url, Source::File(path.clone())));
    let (url, url_from) = url.or_else(|| file_url.clone()).ok_or_else(no_url)?;
    let same = file_url.is_some_and(|(other, _)| parse_url(&other).ok() == parse_url(&url).ok());
    let file_token = file
        .token
        .filter(|_| same)
        .map(|token| (token.into(), Source::File(path)));
    let (token, token_from) = token.or(file_token).ok_or_else(|| no_token(&url))?;
    finish(&url, url_from, token, token_from)
}

/// The platform's address as a person wrote it.
pub fn parse_url(text: &str) -> Result<Url, &'static str> {
    let mut url: Url = text.trim().parse().map_err(|_| "it is no URL")?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("it must begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must not hold a user or a password; the token has a place of its own");
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// `$XDG_CONFIG_HOME/hops/config.toml`, or the same under `~/.config`.
pub fn path(vars: &Vars) -> Option<PathBuf> {
    let folder = |name| {
        vars(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(base.join("hops/config.toml"))
}

/// Writes the file, readable by its owner alone; whoever reads meanwhile sees the old one or the
/// new one.
pub fn save(path: &Path, url: &Url, token: &SecretString) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Content<'a> {
        url: &'a str,
        token: &'a str,
    }
    let content = Content {
        url: url.as_str().trim_end_matches('/'),
        token: token.expose_secret(),
    };
    let write = || -> std::io::Result<()> {
        let text = toml::to_string(&content).map_err(std::io::Error::other)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    let what = || format!("cannot write {}", path.display());
    write().map_err(|error| Failure::failed("config", what()).cause(error))
}

fn finish(
    url: &str,
    url_from: Source,
    token: SecretString,
    token_from: Source,
) -> Result<Connection, Failure> {
    let wrong = |why| {
        Failure::usage(format!("{url_from} does not hold the platform's address"))
            .cause(why)
            .hint("it looks like https://hops.example.com")
    };
    let url = parse_url(url).map_err(wrong)?;
    let printable = token.expose_secret().chars().all(|c| c.is_ascii_graphic());
    if !printable {
        let message = format!("{token_from} does not hold a token");
        return Err(Failure::usage(message).cause("it has spaces or unusual characters"));
    }
    Ok(Connection {
        url,
        token,
        url_from,
        token_from,
    })
}

/// Reads the file. A token that others can read is refused, so that a mistake is noticed.
fn read(path: &Path, token_wanted: bool) -> Result<File, Failure> {
    let unreadable = |error| Failure::usage(format!("cannot read {}", path.display())).cause(error);
    let (text, mode) = match open(path) {
        Ok(read) => read,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(File::default()),
        Err(error) => return Err(unreadable(error)),
    };
    // The error's own text quotes the file, and so perhaps the token.
    let file: File = toml::from_str(&text).map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].lines().count().max(1));
        Failure::usage(format!(
            "{} is not understood, near line {line}",
            path.display()
        ))
        .hint(
            "it has two lines: url = \"https://…\" and token = \"…\"; `hops login URL` writes them",
        )
    })?;
    if token_wanted && file.token.is_some() && mode & 0o077 != 0 {
        let message = format!("{} holds a token that others can read", path.display());
        let why = format!(
            "its mode is {:03o}; only its owner may read it",
            mode & 0o777
        );
        return Err(Failure::usage(message)
            .cause(why)
            .hint(format!("chmod 600 {}", path.display())));
    }
    Ok(file)
}

fn open(path: &Path) -> std::io::Result<(String, u32)> {
    let file = std::fs::File::open(path)?;
    let mode = file.metadata()?.mode();
    Ok((std::io::read_to_string(file)?, mode))
}

fn no_url() -> Failure {
    Failure::usage("it is not known where the platform is")
        .hint("hops login https://hops.example.com\nor set HOPS_URL and HOPS_TOKEN")
}

fn no_token(url: &str) -> Failure {
    Failure::usage("there is no token for the platform").hint(format!(
        "hops login {}\nor set HOPS_TOKEN",
        url.trim_end_matches('/')
    ))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
