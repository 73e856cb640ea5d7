//! Checks of single texts: what each may be, and what was probably meant.

use unicode_segmentation::UnicodeSegmentation;

use crate::AppName;
use crate::assemble::FILE_NAME;
use crate::diagnostic::Code;
use crate::file::Fault;
use crate::names::{self, quoted};
use crate::suggest;

mod quantity;
mod schedule;

pub use quantity::{cpu, memory};
pub use schedule::schedule;

/// The longest path that is asked for.
const MAX_PATH: usize = 1024;

/// The longest host name in DNS.
const MAX_HOST: usize = 253;

/// The longest path of a folder.
const MAX_FOLDER: usize = 512;

/// What a path of a URL is made of, besides letters and digits (RFC 3986), and a query's `?`.
const PATH_CHARACTERS: &str = "-._~!$&'()*+,;=:@/%?";

/// The path of a URL, as a probe asks for it; a query may follow.
pub fn url_path(text: &str) -> Result<String, Fault> {
    let fault = |why: &str| {
        Fault::new(
            Code::BadUrlPath,
            format!("{} is no path: {why}", quoted(text)),
        )
    };
    let foreign = |c: &char| !c.is_ascii_alphanumeric() && !PATH_CHARACTERS.contains(*c);
    if let Some((_, rest)) = text.split_once("://") {
        let path = rest.find('/').map_or("/", |slash| &rest[slash..]);
        return Err(fault("it is a whole address")
            .hint(format!("write {path:?}"))
            .replace_text(path));
    }
    if !text.starts_with('/') {
        let fault = fault("it must begin with `/`");
        let mended = format!("/{text}");
        return Err(match url_path(&mended) {
            Ok(_) if text.is_empty() => fault.hint("write the path, such as \"/health\""),
            Ok(_) => fault
                .hint(format!("write {mended:?}"))
                .replace_text(&mended),
            Err(_) => fault.hint("it looks like \"/health\""),
        });
    }
    if text.starts_with("//") {
        // Kubernetes takes what follows for a host, and asks for another path than was meant.
        return Err(fault("it begins with two `/`").hint("leave one out"));
    }
    if let Some(c) = text.chars().find(foreign) {
        return Err(fault(&format!("{c:?} cannot stand in one")).hint(encoding_hint(c)));
    }
    if !escapes_are_whole(text) {
        return Err(fault("`%` must be followed by two hexadecimal digits")
            .hint("write `%25` for `%` itself"));
    }
    if text.len() > MAX_PATH {
        return Err(fault(&format!("it is longer than {MAX_PATH} characters")).hint("shorten it"));
    }
    Ok(text.to_owned())
}

fn encoding_hint(c: char) -> String {
    if c == '#' {
        return "a fragment is never sent to a server; leave it out".to_owned();
    }
    let escaped: String = c
        .to_string()
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    format!("write `{escaped}` for it, or leave it out")
}

fn escapes_are_whole(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()))
}

/// A host name of the public kind, in small letters.
pub fn domain(text: &str) -> Result<String, Fault> {
    let lower = text.to_lowercase();
    if lower.starts_with("*.") {
        let message = format!(
            "{} would be every subdomain, which is not possible",
            quoted(text)
        );
        let hint = "list each host by itself: routes and certificates are made for one at a time";
        return Err(Fault::new(Code::WildcardDomain, message).hint(hint));
    }
    let host = bare_host(&lower);
    let fault = |why: &str| {
        Fault::new(
            Code::BadDomain,
            format!("{} is no domain: {why}", quoted(text)),
        )
    };
    if host != lower {
        let fault = fault("it must be a host alone, without scheme, port, path and final dot");
        return Err(match domain(host) {
            Ok(host) => fault.hint(format!("write {host:?}")).replace_text(&host),
            Err(_) => fault,
        });
    }
    match why_no_host(&lower) {
        Some((why, hint)) => Err(fault(&why).hint(hint)),
        None => Ok(lower),
    }
}

/// Why a text in small letters is no public host, and what to do.
fn why_no_host(host: &str) -> Option<(String, &'static str)> {
    let last = host.rsplit('.').next().unwrap_or_default();
    if !host.is_ascii() {
        let hint = "write its `xn--` form, which registrars show";
        return Some(("it has letters beyond a to z".to_owned(), hint));
    }
    if let Some(label) = host.split('.').find(|label| !is_label(label)) {
        return Some((
            format!(
                "the part {} is not made of letters, digits and inner `-`",
                quoted(label)
            ),
            "write the domain as a browser shows it: \"shop.example.com\"",
        ));
    }
    if !host.contains('.') {
        let hint = "write the whole domain, such as \"shop.example.com\"";
        return Some(("it has one part only".to_owned(), hint));
    }
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        let hint = "a domain is a name that leads to an address, such as \"shop.example.com\"";
        return Some(("it is an address, not a name".to_owned(), hint));
    }
    (host.len() > MAX_HOST).then(|| {
        let why = format!("it is longer than {MAX_HOST} characters");
        (why, "DNS knows no longer names, so it leads nowhere")
    })
}

/// What is left of an address without scheme, path, port and final dot.
fn bare_host(text: &str) -> &str {
    let after_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    let end = after_scheme
        .find(['/', ':', '?', '#'])
        .unwrap_or(after_scheme.len());
    after_scheme[..end].trim().trim_end_matches('.')
}

fn is_label(label: &str) -> bool {
    let letters = label
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    letters
        && !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A folder of the repository, without `./` and slashes at the ends; the root is `""`.
pub fn folder(text: &str) -> Result<String, Fault> {
    let fault = |why: &str| {
        let message = format!("{} cannot be an appling's folder: {why}", quoted(text));
        Fault::new(Code::BadFolder, message)
    };
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if text.contains('\\') {
        let mended = text.replace('\\', "/");
        let fault = fault("`\\` does not separate folders").hint(format!("write {mended:?}"));
        return Err(fault.replace_text(&mended));
    }
    if text.starts_with('/') {
        let mended = parts.join("/");
        let fault = fault("it must be relative to the repository's root");
        let hint = format!("write {mended:?}");
        return Err(fault.hint(hint).replace_text(&mended));
    }
    if parts.contains(&"..") {
        let hint = "write the path from the repository's root";
        return Err(fault("`..` could lead out of the repository").hint(hint));
    }
    if let Some((&FILE_NAME, folders)) = parts.split_last() {
        let folder = if folders.is_empty() {
            ".".to_owned()
        } else {
            folders.join("/")
        };
        let hint = format!("list its folder: {folder:?}");
        return Err(fault("it is a file").hint(hint).replace_text(&folder));
    }
    if text.chars().any(char::is_control) || text.len() > MAX_FOLDER {
        let why = format!("it has a control character, or more than {MAX_FOLDER} letters");
        return Err(fault(&why).hint("rename it in the repository"));
    }
    Ok(parts.join("/"))
}

/// The name of an environment variable that an author may set.
pub fn variable(name: &str) -> Result<(), Fault> {
    if !is_variable(name) {
        let message = format!(
            "{} is no name of a variable: it has letters, digits and `_`, and no digit first",
            quoted(name),
        );
        let fault = Fault::new(Code::BadVariableName, message);
        let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let mended: String = name.chars().map(word).collect();
        let good = is_variable(&mended) && mended.contains(|c| c != '_');
        return Err(if good {
            fault.hint(format!("write `{mended}`"))
        } else {
            fault.hint("it looks like `LOG_LEVEL`")
        });
    }
    if name.starts_with("HOPS_") {
        let message =
            format!("`{name}` is reserved: the platform sets all that begin with `HOPS_`");
        return Err(Fault::new(Code::ReservedVariable, message).hint("choose another name"));
    }
    Ok(())
}

fn is_variable(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

/// A file of the repository, without `./`.
pub fn file(text: &str) -> Result<String, Fault> {
    let fault = |why: &str| {
        let message = format!("{} is no file of the repository: {why}", quoted(text));
        Fault::new(Code::BadFilePath, message)
    };
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    let mended = parts.join("/");
    if text.contains('\\') {
        return Err(fault("`\\` does not separate folders"));
    }
    if text.starts_with('/') {
        let fault = fault("the path must be relative to the repository's root");
        return Err(fault
            .hint(format!("write {mended:?}"))
            .replace_text(&mended));
    }
    if parts.contains(&"..") {
        return Err(
            fault("`..` could lead out of it").hint("write the path from the repository's root")
        );
    }
    if parts.is_empty() || text.ends_with('/') {
        return Err(fault("it names a folder"));
    }
    if text.chars().any(char::is_control) || text.len() > MAX_FOLDER {
        let why = format!("it has a control character, or more than {MAX_FOLDER} letters");
        return Err(fault(&why).hint("rename it in the repository"));
    }
    Ok(mended)
}

/// The full path of a file in a container.
pub fn file_path(text: &str) -> Result<String, Fault> {
    let fault = |why: &str| {
        let message = format!("{} is no path of a file: {why}", quoted(text));
        Fault::new(Code::BadFilePath, message).hint("it looks like \"/etc/app/key.pem\"")
    };
    let Some(path) = text.strip_prefix('/') else {
        return Err(fault("it must begin with `/`"));
    };
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(fault("a part of it is empty, `.` or `..`"));
    }
    if text.contains(':') || text.chars().any(char::is_control) || text.len() > MAX_FOLDER {
        let why = format!("it has a `:`, a control character, or more than {MAX_FOLDER} letters");
        return Err(fault(&why));
    }
    if let Some(folder) = ["/proc/", "/sys/", "/dev/"]
        .iter()
        .find(|f| text.starts_with(**f))
    {
        return Err(fault(&format!("`{folder}` is the system's")));
    }
    Ok(text.to_owned())
}

/// A pattern of paths from the repository's root, without `./`.
pub fn glob(text: &str) -> Result<String, Fault> {
    let fault = |why: &str| {
        let message = format!("{} is no pattern of paths: {why}", quoted(text));
        Fault::new(Code::BadGlob, message)
    };
    if text.is_empty() || text.len() > MAX_FOLDER || text.chars().any(char::is_control) {
        return Err(fault("it is empty, too long, or has a control character")
            .hint("it looks like \"web/**\""));
    }
    if let Some(rest) = text.strip_prefix('!') {
        return Err(fault("patterns cannot be taken back by `!`")
            .hint(format!("list what is watched, and leave {rest:?} out")));
    }
    let path = text.strip_prefix("./").unwrap_or(text);
    if path.starts_with('/') {
        let mended = path.trim_start_matches('/');
        return Err(fault("paths begin at the repository's root, without `/`")
            .hint(format!("write {mended:?}"))
            .replace_text(mended));
    }
    if matches!(path, "" | ".") {
        return Err(fault("it names the repository itself").hint("write \"**\" for every file"));
    }
    if path.split('/').any(|part| part == "..") {
        return Err(fault("`..` could lead out of the repository")
            .hint("write the path from the repository's root"));
    }
    if !escapes_only_signs(path) {
        return Err(
            fault("`\\` makes the sign that follows mean itself, and here follows none")
                .hint("folders are separated by `/`"),
        );
    }
    if let Some(folder) = path.strip_suffix('/') {
        let mended = format!("{folder}/**");
        return Err(fault("it names a folder, and only files change")
            .hint(format!("write {mended:?}"))
            .replace_text(&mended));
    }
    let built = globset::GlobBuilder::new(path)
        .literal_separator(true)
        .build();
    built.map_err(|error| {
        fault(&error.kind().to_string()).hint("`\\[` and `\\{` stand for the brackets themselves")
    })?;
    Ok(path.to_owned())
}

fn escapes_only_signs(glob: &str) -> bool {
    let mut characters = glob.chars();
    while let Some(c) = characters.next() {
        let escaped = (c == '\\').then(|| characters.next());
        if escaped.is_some_and(|next| next.is_none_or(|c| c.is_alphanumeric() || c == '/')) {
            return false;
        }
    }
    true
}

/// One grapheme cluster, as people see it.
pub fn emoji(text: &str) -> Result<String, Fault> {
    let seen = text.graphemes(true).take(2).count();
    let blank = text.chars().all(|c| c.is_whitespace() || c.is_control());
    if seen == 1 && !blank && text.len() <= 64 {
        return Ok(text.to_owned());
    }
    let message = format!("{} is not one emoji", quoted(text));
    let first = text
        .graphemes(true)
        .find(|one| !one.trim().is_empty() && !one.is_ascii());
    let fault = Fault::new(Code::BadEmoji, message);
    Err(match first {
        Some(first) => fault.hint(format!("choose one: \"{first}\"")),
        None => fault.hint("write the emoji itself, not its name"),
    })
}

/// The words of a command, split as a POSIX shell splits them.
pub fn command(text: &str) -> Result<Vec<String>, Fault> {
    let fault = |why: &str| {
        Fault::new(
            Code::BadCommand,
            format!("{} is no command: {why}", quoted(text)),
        )
    };
    if text.contains('\0') {
        return Err(fault("it has a NUL character"));
    }
    match shlex::split(text) {
        None => Err(
            fault("a quote is not closed, or a `\\` is the last character")
                .hint("or write the arguments as a list: [\"node\", \"server.js\"]"),
        ),
        Some(words) if words.is_empty() => {
            Err(fault("it is empty").hint("remove the key: the image's own command runs then"))
        }
        Some(words) => Ok(words),
    }
}

/// A word that only a shell would understand, if there is one.
pub fn shell_word(words: &[String]) -> Option<&str> {
    let is_operator = |word: &str| {
        ["&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1"].contains(&word)
            || word.ends_with(';')
            || word.starts_with('$')
    };
    let is_shell = |word: &String| {
        ["sh", "bash", "ash"].contains(&word.rsplit('/').next().unwrap_or_default())
    };
    if words.first().is_some_and(is_shell) {
        return None;
    }
    words
        .iter()
        .map(String::as_str)
        .find(|word| is_operator(word))
}

/// That no shell reads a command.
pub fn no_shell(key: &str, text: &str, word: &str) -> Fault {
    let message = format!(
        "no shell reads `{key}`, so {} is an argument like any other",
        quoted(word)
    );
    Fault::new(Code::NoShell, message).hint(format!(
        "for a shell, write `{key} = [\"sh\", \"-c\", {text:?}]`"
    ))
}

/// An argument of a command.
pub fn argument(text: &str) -> Result<String, Fault> {
    if text.contains('\0') {
        let message = "an argument has a NUL character, which none can hold";
        return Err(Fault::new(Code::BadCommand, message));
    }
    Ok(text.to_owned())
}

/// One of several words.
pub fn choice(key: &str, text: &str, words: &[&str]) -> Fault {
    let listed: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    let message = format!("`{key}`: {} is none of {}", quoted(text), listed.join(", "));
    let fault = Fault::new(Code::BadChoice, message);
    match suggest::nearest(&text.to_lowercase(), words.iter().copied()) {
        Some(meant) if meant == text.to_lowercase() => {
            fault.hint(format!("write {meant:?}")).replace_text(meant)
        }
        Some(meant) => fault.hint(format!("did you mean {meant:?}?")),
        None => fault,
    }
}

/// The one way of isolation.
pub fn isolate_appling(text: &str) -> Result<(), Fault> {
    match text {
        "namespace" => Ok(()),
        _ => Err(choice("isolate-appling", text, &["namespace"])
            .hint("write \"namespace\", or remove the key: then nothing is isolated")),
    }
}

/// Names of apps, separated by commas or blanks. A public file has `"100"` there, which no app of this
/// platform is called; such a word is left to whoever resolves them.
pub fn app_names(text: &str) -> Result<Vec<Result<AppName, String>>, Fault> {
    let words = text
        .split([',', ' '])
        .map(str::trim)
        .filter(|word| !word.is_empty());
    let plain = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    let names = words.map(|word| match AppName::parse(word) {
        Ok(name) => Ok(Ok(name)),
        Err(_) if plain(word) => Ok(Err(word.to_owned())),
        Err(error) => Err(Fault::new(Code::BadName, error.to_string())
            .hint("list apps of this platform, separated by commas")),
    });
    names.collect()
}

/// The name of a cron job, which becomes part of a Kubernetes name.
pub fn cronjob_name(text: &str) -> Result<String, Fault> {
    names::dns_label(text, names::MAX_APPLING_NAME)
        .map_err(|error| Fault::new(Code::BadName, error.to_string()).hint(error.hint()))
}

/// The name of a header (RFC 9110, section 5.1).
pub fn header_name(text: &str) -> Result<String, Fault> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !text.is_empty() && text.len() <= 256 && text.chars().all(token) {
        return Ok(text.to_owned());
    }
    let message = format!("{} is no name of a header", quoted(text));
    Err(Fault::new(Code::BadHeader, message).hint("it has letters, digits and `-`, and no `:`"))
}

/// The value of a header (RFC 9110, section 5.5).
pub fn header_value(text: &str) -> Result<String, Fault> {
    if text.chars().any(|c| c.is_control() && c != '\t') {
        let message = "a header's value must be one line without control characters";
        return Err(Fault::new(Code::BadHeader, message).hint("put it on one line"));
    }
    Ok(text.to_owned())
}

/// The name of a build argument that an author may set.
pub fn argument_name(text: &str) -> Result<String, Fault> {
    if !is_variable(text) {
        let message = format!("{} is no name of a build argument", quoted(text));
        let hint = "it has letters, digits and `_`, and no digit first";
        return Err(Fault::new(Code::BadBuildName, message).hint(hint));
    }
    if text.starts_with("HOPS_") {
        let message =
            format!("`{text}` is reserved: the platform sets all that begin with `HOPS_`");
        return Err(Fault::new(Code::ReservedVariable, message).hint("choose another name"));
    }
    Ok(text.to_owned())
}

/// The id of a build secret, which may look like a file's name.
pub fn build_secret_name(text: &str) -> Result<String, Fault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let dots = text.chars().all(|c| c == '.');
    if !dots && text.len() <= MAX_HOST && text.chars().all(allowed) {
        return Ok(text.to_owned());
    }
    let message = format!("{} is no id of a build secret", quoted(text));
    Err(Fault::new(Code::BadBuildName, message).hint("it has letters, digits, `.`, `_` and `-`"))
}

/// The name of a stage in a Dockerfile.
pub fn stage(text: &str) -> Result<String, Fault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let first = text
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphanumeric());
    if first && text.len() <= 128 && text.chars().all(allowed) {
        return Ok(text.to_owned());
    }
    let message = format!("{} is no name of a stage", quoted(text));
    Err(Fault::new(Code::BadBuildName, message)
        .hint("it is the name after `AS` in a line `FROM … AS name`, or the stage's number"))
}

/// The key of a label, which may have a prefix (Kubernetes: "Labels and Selectors").
pub fn label_key(text: &str) -> Result<String, Fault> {
    let (prefix, name) = text
        .split_once('/')
        .map_or((None, text), |(p, n)| (Some(p), n));
    let good_prefix = prefix.is_none_or(|prefix| {
        prefix.len() <= MAX_HOST
            && prefix == prefix.to_lowercase()
            && prefix.split('.').all(is_label)
    });
    if good_prefix && !name.is_empty() && is_label_value(name) {
        return Ok(text.to_owned());
    }
    let message = format!("{} is no key of a label", quoted(text));
    Err(Fault::new(Code::BadLabel, message)
        .hint("it looks like `disktype` or `kubernetes.io/hostname`"))
}

/// The value of a label.
pub fn label_value(text: &str) -> Result<String, Fault> {
    if is_label_value(text) {
        return Ok(text.to_owned());
    }
    let message = format!("{} is no value of a label", quoted(text));
    let hint =
        "it has at most 63 letters, digits, `.`, `_` and `-`, with a letter or digit at both ends";
    Err(Fault::new(Code::BadLabel, message).hint(hint))
}

fn is_label_value(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && text.chars().all(inner)
        && end(text.chars().next())
        && end(text.chars().last())
}

/// The name of a Postgres extension.
pub fn extension(text: &str) -> Result<String, Fault> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    let first = text.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    if first && text.len() <= 63 && text.chars().all(allowed) {
        return Ok(text.to_owned());
    }
    let message = format!("{} is no name of a Postgres extension", quoted(text));
    let fault = Fault::new(Code::BadExtension, message);
    Err(match text.to_lowercase() {
        lower if lower != text && extension(&lower).is_ok() => {
            fault.hint(format!("write {lower:?}")).replace_text(&lower)
        }
        _ => fault.hint("they look like \"uuid-ossp\" and \"pg_trgm\""),
    })
}

/// The prefix of a URL's path, without a `/` at its end.
pub fn prefix(text: &str) -> Result<String, Fault> {
    let path = url_path(text)?;
    // An ingress may read a prefix as a regular expression.
    let plain = |c: &char| c.is_ascii_alphanumeric() || "-._~/".contains(*c);
    if let Some(c) = path.chars().find(|c| !plain(c)) {
        let message = format!(
            "{} is no prefix of paths: {c:?} cannot stand in one",
            quoted(text)
        );
        let fault = Fault::new(Code::BadUrlPath, message);
        let stem = text.trim_end_matches('*').trim_end_matches('/');
        return Err(
            match stem.starts_with('/') && stem.chars().all(|c| plain(&c)) {
                true => fault
                    .hint(format!(
                        "write {stem:?}: all that lies below is meant anyway"
                    ))
                    .replace_text(stem),
                false => fault.hint("it has letters, digits and `-._~/`"),
            },
        );
    }
    Ok(match path.trim_end_matches('/') {
        "" => "/".to_owned(),
        prefix => prefix.to_owned(),
    })
}

/// What `hops seal` prints: URL-safe base64 without padding (RFC 4648, section 5).
pub fn sealed(text: &str) -> Result<String, Fault> {
    let fault = |why: &str| Fault::new(Code::BadSecret, format!("this is no sealed value: {why}"));
    let foreign = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if text.is_empty() {
        return Err(fault("it is empty").hint("copy the whole value as it was printed"));
    }
    if text.contains(foreign) {
        return Err(fault("it has characters that are not of URL-safe base64")
            .hint("copy the whole value as it was printed, without `=` at the end"));
    }
    if text.len() % 4 == 1 {
        return Err(fault("its end is cut off").hint("copy the whole value as it was printed"));
    }
    Ok(text.to_owned())
}

/// The name of a Kubernetes Secret: a DNS subdomain.
pub fn secret_name(text: &str) -> Result<String, Fault> {
    let good =
        text == text.to_lowercase() && text.len() <= MAX_HOST && text.split('.').all(is_label);
    if good {
        return Ok(text.to_owned());
    }
    let message = format!("{} is no name of a Secret", quoted(text));
    Err(Fault::new(Code::BadSecret, message).hint("it has small letters, digits, `-` and `.`"))
}

/// A key in a Kubernetes Secret.
pub fn secret_key(text: &str) -> Result<String, Fault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !text.is_empty() && text.len() <= MAX_HOST && text.chars().all(allowed) {
        return Ok(text.to_owned());
    }
    let message = format!("{} is no key of a Secret", quoted(text));
    Err(Fault::new(Code::BadSecret, message).hint("it has letters, digits, `.`, `_` and `-`"))
}

/// The name of a switch under `[experimental]`.
pub fn switch_name(text: &str) -> Result<String, Fault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !text.is_empty() && text.len() <= 63 && text.chars().all(allowed) {
        return Ok(text.to_owned());
    }
    let message = format!("{} is no name of a switch", quoted(text));
    Err(Fault::new(Code::BadSwitchName, message).hint("it has letters, digits, `.`, `_` and `-`"))
}
