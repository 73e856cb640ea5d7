//! Checks of single texts: a path of a URL, a domain, a folder, a variable's name.

use crate::assemble::FILE_NAME;
use crate::diagnostic::Code;
use crate::file::Fault;
use crate::names::quoted;

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
        return Err(fault("it is a whole address").hint(format!("write {path:?}")));
    }
    if !text.starts_with('/') {
        let hint = format!("write {:?}", format!("/{text}"));
        return Err(fault("it must begin with `/`").hint(hint));
    }
    if text.starts_with("//") {
        // Kubernetes takes what follows for a host, and asks for another path than was meant.
        return Err(fault("it begins with two `/`"));
    }
    if let Some(c) = text.chars().find(foreign) {
        return Err(fault(&format!("{c:?} cannot stand in one")).hint(encoding_hint(c)));
    }
    if !escapes_are_whole(text) {
        return Err(fault("`%` must be followed by two hexadecimal digits"));
    }
    if text.len() > MAX_PATH {
        return Err(fault(&format!("it is longer than {MAX_PATH} characters")));
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
            Ok(host) => fault.hint(format!("write {host:?}")),
            Err(_) => fault,
        });
    }
    match why_no_host(&lower) {
        Some((why, Some(hint))) => Err(fault(&why).hint(hint)),
        Some((why, None)) => Err(fault(&why)),
        None => Ok(lower),
    }
}

/// Why a text in small letters is no public host, and what to do.
fn why_no_host(host: &str) -> Option<(String, Option<&'static str>)> {
    let last = host.rsplit('.').next().unwrap_or_default();
    if !host.is_ascii() {
        let hint = "write its `xn--` form, which registrars show";
        return Some(("it has letters beyond a to z".to_owned(), Some(hint)));
    }
    if let Some(label) = host.split('.').find(|label| !is_label(label)) {
        return Some((
            format!(
                "the part {} is not made of letters, digits and inner `-`",
                quoted(label)
            ),
            None,
        ));
    }
    if !host.contains('.') {
        let hint = "write the whole domain, such as \"shop.example.com\"";
        return Some(("it has one part only".to_owned(), Some(hint)));
    }
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(("it is an address, not a name".to_owned(), None));
    }
    (host.len() > MAX_HOST).then(|| (format!("it is longer than {MAX_HOST} characters"), None))
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
        let hint = format!("write {:?}", text.replace('\\', "/"));
        return Err(fault("`\\` does not separate folders").hint(hint));
    }
    if text.starts_with('/') {
        let hint = format!("write {:?}", parts.join("/"));
        return Err(fault("it must be relative to the repository's root").hint(hint));
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
        return Err(fault("it is a file").hint(format!("list its folder: {folder:?}")));
    }
    if text.chars().any(char::is_control) || text.len() > MAX_FOLDER {
        let why = format!("it has a control character, or more than {MAX_FOLDER} letters");
        return Err(fault(&why));
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
            fault
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
